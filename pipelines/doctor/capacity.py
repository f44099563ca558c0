"""Whether live ticks fit into the cores: a call costs about the same however little happens."""

import os

from pipelines.doctor.finding import Finding
from schemas.durations import format_duration
from schemas.playbook import Playbook
from transforms.shell.timers import STAGES

CALL = 25
"""What a call of a stage costs on a stream that is up to date, ms of one core; measured: 20 to 30."""

_AMPLE = 0.5
"""The share of the cores that calls may take and leave enough for signals and bursts."""


def stages_of(playbook: Playbook) -> tuple[str, ...]:
    """Return the stages that a playbook has; what guards offers is of one key, and only with a limit."""
    absent = {"watch_feeds": not playbook.feed_timeout, "track_groups": len(playbook.levels) < 2, "guard_offers": True}
    return tuple(stage for stage in STAGES if not absent.get(stage))


def capacity(playbook: Playbook, shards: int, cores: int | None = None) -> Finding:
    """Tell whether active shards × stages × a call < tick × cores.

    Args:
        playbook: Its tick and stages.
        shards: How many of them have something to do at a tick.
        cores: Of all workers; of this machine by default.
    """
    cores, stages = cores or os.cpu_count() or 1, len(stages_of(playbook))
    needs, has = shards * stages * CALL, playbook.tick * cores
    told = (
        f"{shards} shards x {stages} stages x {CALL} ms = {needs:,} ms of a tick's {has:,} "
        f"({format_duration(playbook.tick)} x {cores} cores)"
    )
    if needs < _AMPLE * has:
        return Finding("capacity", "ok", told)
    fit = max(1, int(_AMPLE * has / (stages * CALL)))
    hint = f"take {fit} shards or fewer, more cores, or a longer tick: one for two cores is a good start"
    return Finding("capacity", "warn" if needs < has else "fail", told, hint)

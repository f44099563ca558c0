"""What one run did: the record that `run.json` holds, and the proof that no signal was lost."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from pipelines.failures import SignalsLostError

APPLIED = {
    "late": "late",
    "contradictory": "although they contradict memberships",
    "doubtful": "without effect on memberships for want of confidence",
}
PARTS = ("applied", "duplicates", "too_late", "rejected", "erased", "not_sampled", "pending")
"""Where signals end up; each is in exactly one of them. Of those applied some were late, some contradict
what was known of memberships, and some are too doubtful to be believed about them."""

ANSWERS = ("offer", "holdout", "no_offer", "outranked", "waiting", "pending")
"""What a trigger may get; each gets exactly one. Those that wait for a gate were `deferred`, once or more often; those
that were `published` on own channels first get another one; those of the `past`, before `--decide-from`, get none."""

BAD_INPUT = {
    "outcome_of_unknown_decision": "outcomes of decisions that the ledger of the customer does not know, so that they "
    "change nothing: {:,}; report each with the `decision_id` of its offer, about whom it went to, within a week",
    "contradicting_outcome": "decisions that are reported both as taken up and as rejected, so that both count: {:,}; "
    "see whose reports these are, and let one system say what came of an offer",
    "control_of_unknown_name": "controls that do nothing, for want of such an action, scope or name: {:,}; compare "
    "`action`, `scope` and `target` with the contract, and with the offers, families and channels of the playbook",
    "invalid_traceparent": "signals with a `traceparent` that is none by the W3C's form, so that no offer is traced "
    "to them: {:,}; see what makes it",
    "unknown_zone": "profiles with a time zone that there is not, so that quiet hours and caps by calendar block: "
    "{:,}; write `zone` as IANA does, as `Europe/Helsinki`",
}
"""What may be bad about signals that are applied all the same, and what to do."""

PACKAGES = ("segment-of-one", "apache-beam", "numpy", "polars", "pyarrow")


@dataclass(frozen=True)
class Report:
    """The record of one run.

    Attributes:
        playbooks: Of each version that was in force by the end, the first first: file, name, version, from when on,
            content hash, and the versions of its tables and models.
        settings: What was asked for, as far as it can change the outputs.
        as_of: The time by which signals from the future were told, RFC 3339.
        end_tick: The last tick, RFC 3339; None if there was no signal.
        signals: How many came in, and what became of them. Of those rejected, `uncounted` stand for a lost part of a
            file each, of which nobody knows how many signals it held.
        groups: How often one became `too_large`, and so was ignored.
        features: How many sums in contexts are NULL because 64 bits do not hold them, `sums_too_large`.
        decisions: How many triggers got which answer, and how many answers were `deferred`; and, if there are any, of
            how many triggers an offer was `published` on own channels first, and they answered again; how many were of
            the `past`.
        bad_input: How much was applied that the policy can make nothing of, by kind; see `BAD_INPUT`.
        never_seen: Of each feed the columns that are read and in which no record has a value.
        outputs: Rows of each output.
        seconds: Wall-clock time of each part of the run.
        versions: Of Python, of this project and of what it computes with.
    """

    playbooks: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]
    as_of: str
    end_tick: str | None
    signals: Mapping[str, int]
    groups: Mapping[str, int]
    features: Mapping[str, int]
    decisions: Mapping[str, int]
    bad_input: Mapping[str, int]
    never_seen: Mapping[str, Sequence[str]]
    outputs: Mapping[str, int]
    seconds: Mapping[str, float]
    versions: Mapping[str, str]

    def __post_init__(self) -> None:
        """Prove that every signal is accounted for.

        Raises:
            SignalsLostError: in is not the sum of the parts.
        """
        parts = {name: self.signals.get(name, 0) for name in PARTS}
        if self.signals.get("in", 0) != sum(parts.values()):
            told = " + ".join(f"{count:,} {name}" for name, count in parts.items())
            message = f"{self.signals.get('in', 0):,} signals in, but {told} = {sum(parts.values()):,}"
            raise SignalsLostError(f"{message}: a mistake in this program; nothing was written, please report it")

    @property
    def rejected(self) -> int:
        """Signals that were refused, those that came too late included."""
        return self.signals.get("rejected", 0) + self.signals.get("too_late", 0)

    def signals_told(self) -> str:
        """Return what became of the signals, for people."""
        parts = _told({name: self.signals.get(name, 0) for name in PARTS})
        told = [f"{self.signals[name]:,} applied {what}" for name, what in APPLIED.items() if self.signals.get(name)]
        late = f" ({', '.join(told)})" if told else ""
        return f"{self.signals.get('in', 0):,} signals in = {parts}{late}"

    def summary(self) -> str:
        """Return what became of the signals and the triggers, for people."""
        torn = self.signals.get("uncounted", 0)
        lost = (
            f"files or parts of files were lost, and nobody knows how many signals with them: {torn:,}\n"
            if torn
            else ""
        )
        large, wide = self.groups["too_large"], self.features["sums_too_large"]
        ignored = f"groups became larger than `max_members` and were ignored: {large:,} times\n" if large else ""
        null = f"sums in contexts that 64 bits do not hold, and so are NULL: {wide:,}\n" if wide else ""
        unseen = "".join(
            f"no record of {feed} has a value for {', '.join(columns)}: NULL, or a name that is misspelt\n"
            for feed, columns in self.never_seen.items()
        )
        bad = "".join(
            f"{told.format(count)}\n" for name, told in BAD_INPUT.items() if (count := self.bad_input.get(name))
        )
        answers = {name: self.decisions.get(name, 0) for name in (*ANSWERS, "past")}
        times = self.decisions.get("deferred", 0)
        first = self.decisions.get("published", 0)
        told = [f"deferred {times:,} times"] if times else []
        told += [f"{first:,} on own channels first, and answered again"] if first else []
        asides = f" ({'; '.join(told)})" if told else ""
        numbers = [str(book["version"]) for book in self.playbooks]
        book = f"{self.playbooks[0]['name']} {'version' if len(numbers) == 1 else 'versions'} {', '.join(numbers)}"
        return (
            f"{self.signals_told()}\n"
            f"{lost}"
            f"{sum(answers.values()) - first:,} triggers = {_told(answers)}{asides}\n"
            f"{ignored}{null}{unseen}{bad}"
            f"{book}, {self.settings['--mode']}, to {self.end_tick} in {sum(self.seconds.values()):.1f} s"
        )

    def text(self) -> str:
        """Return the record as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"


def _told(counts: Mapping[str, int]) -> str:
    return " + ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count) or "none"


def versions() -> dict[str, str]:
    """Return the versions that a run depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def instant(milliseconds: int) -> str:
    """Return milliseconds since the epoch as RFC 3339 with milliseconds and Z."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

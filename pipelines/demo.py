"""The whole path on a town that does not exist: its signals, a run of its playbook, and what came of it."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from secrets import token_hex

from pipelines.recognition import recognition_text
from pipelines.run import run
from pipelines.settings import RunSettings
from pipelines.simulate import simulate, told
from pipelines.simulation.recognised import recognised
from pipelines.summary import summary
from pipelines.worth_explaining import worth_explaining
from schemas.playbook_file import load_playbook
from transforms.shell.found_files import escaped
from transforms.shell.pseudonym_key import key_at_hand

PLAYBOOK = Path(__file__).parent / "simulation" / "playbook.yaml"
"""The town's, of `examples/fibre_town`: a part of the package."""


def demo(
    out_dir: Path,
    *,
    seed: int = 1,
    subscribers: int = 1_000,
    days: int = 35,
    playbook: Path = PLAYBOOK,
    on_day: Callable[[int], None] = lambda day: None,
) -> str:
    """Simulate a town into `out_dir/signals`, run the playbook into `out_dir/run`, and tell what happened.

    That includes how well its segments recognise who is who. What an earlier demo left in `out_dir` is replaced.

    Raises:
        FileExistsError: `out_dir/signals` is not an earlier demo's.
        LoadErrors: There is no such playbook, or it has mistakes.
        ValueError: The town is too small.
    """
    book, signals = load_playbook(playbook), out_dir / "signals"
    town = simulate(signals, seed=seed, subscribers=subscribers, days=days, on_day=on_day, replace=True)
    files = tuple((name, escaped(str(town.files[name]))) for name in book.signals)
    now = int(town.end.timestamp() * 1000)
    settings = RunSettings(playbook=str(playbook), signals=files, out=str(out_dir / "run"), as_of=now, mode="simulated")
    with key_at_hand(token_hex(32)):  # nobody keeps it: who is erased here is not to be found again
        report = run(settings)
    segments = [(level, name) for level, made in book.levels.items() for name in made.segments]
    known = recognition_text(recognised(signals / "truth", out_dir / "run", segments, town.end))
    unread = {name: count for name, count in town.counts.items() if name not in book.signals and count}
    parts = [
        "\n".join([told(town), f"  {report.signals_told()}", *_unread(unread)]),
        summary(out_dir / "run").rstrip(),
        known,
        "\n".join(worth_explaining(str(out_dir / "run"))),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _unread(counts: Mapping[str, int]) -> Iterator[str]:
    """Tell which signals do not go in, for the playbook does not read them."""
    if counts:
        each = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        yield f"  {sum(counts.values()):,} are not read, for the playbook has no use for them: {each}"

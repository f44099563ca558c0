"""The whole path on a town that does not exist: its signals, a run of its playbook, and what came of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

from pipelines.run import run
from pipelines.settings import RunSettings
from pipelines.simulate import simulate, told
from pipelines.summary import summary
from schemas.playbook_file import load_playbook

PLAYBOOK = Path(__file__).parents[1] / "examples" / "town" / "playbook.yaml"


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

    What an earlier demo left in `out_dir` is replaced.

    Raises:
        FileExistsError: `out_dir/signals` is not an earlier demo's.
        LoadErrors: There is no such playbook, or it has mistakes.
        ValueError: The town is too small.
    """
    book, signals = load_playbook(playbook), out_dir / "signals"
    if (signals / "simulated.json").exists():
        shutil.rmtree(signals)
    town = simulate(signals, seed=seed, subscribers=subscribers, days=days, on_day=on_day)
    files = tuple((name, str(town.files[name])) for name in book.signals)
    now = int(town.end.timestamp() * 1000)
    run(RunSettings(playbook=str(playbook), signals=files, out=str(out_dir / "run"), as_of=now, mode="simulated"))
    return f"{told(town)}\n\n{summary(out_dir / 'run')}"

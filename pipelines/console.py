"""What people see on standard error: progress while it lasts, and how it failed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipelines.failures import Failure
from schemas.errors import LoadErrors

_errors = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def failures_told() -> Iterator[None]:
    """Tell what went wrong without a traceback, and exit with its code."""
    try:
        yield
    except (LoadErrors, OSError) as error:
        _errors.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    except Failure as failure:
        _errors.print(str(failure), style="red", markup=False)
        raise typer.Exit(failure.exit_code) from failure
    except KeyboardInterrupt as interrupt:
        _errors.print("interrupted: nothing was published")
        raise typer.Exit(130) from interrupt


@contextmanager
def run_shown() -> Iterator[None]:
    """Show what a run is doing, and for how long."""
    from pipelines.progress import told

    with _progress(SpinnerColumn()) as progress:
        task = progress.add_task("loading", total=None)
        with told(lambda step: progress.update(task, description=step)):
            yield


@contextmanager
def days_shown(days: int) -> Iterator[Callable[[int], None]]:
    """Show how many days are done; what it gives takes that number."""
    with _progress() as progress:
        task = progress.add_task("simulating", total=days)
        yield lambda done: progress.update(task, completed=done)


def _progress(*first: SpinnerColumn) -> Progress:
    columns = (*first, TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=_errors, transient=True, disable=not _errors.is_terminal)

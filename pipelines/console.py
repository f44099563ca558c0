"""What people see on standard error: progress while it lasts, and how it failed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipelines.failures import Failure
from pipelines.interrupts import interrupts_raised
from pipelines.progress import steps_told
from schemas.errors import LoadErrors

_errors = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def failures_told() -> Iterator[None]:
    """Tell what went wrong without a traceback, and exit with its code; for an interrupt 128 plus its number."""
    with interrupts_raised() as caught:
        try:
            yield
        except (LoadErrors, Failure, OSError) as error:
            _errors.print(str(error), style="red", markup=False)
            raise typer.Exit(error.exit_code if isinstance(error, Failure) else 1) from error
        except (KeyboardInterrupt, RuntimeError) as error:
            if not caught:  # Beam makes a RuntimeError of an interrupt within a transform
                raise
            _errors.print("interrupted: nothing was published")
            raise typer.Exit(128 + caught[0]) from error


@contextmanager
def progress_shown() -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being done, and for how long; gives what to call with it."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=_errors, transient=True, disable=not _errors.is_terminal) as progress:
        task = progress.add_task("loading", total=None)

        def tell(what: str) -> None:
            progress.update(task, description=what)

        with steps_told(tell):
            yield tell

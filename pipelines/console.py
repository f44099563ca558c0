"""What people see: all text for a terminal passes here, progress while it lasts, and how it failed."""

import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from pipelines.failures import Failure
from pipelines.interrupts import interrupts_raised
from pipelines.progress import steps_told
from schemas.errors import LoadError, LoadErrors
from schemas.visible import visible, visible_lines

_errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def say(text: str) -> None:
    """Print lines of text for people; what is not printable in them is escaped."""
    typer.echo(visible_lines(text.removesuffix("\n")))


def say_styled(lines: Iterable[tuple[str, str]]) -> None:
    """Print lines in styles, in colours on a terminal; a line is a line whatever is in it."""
    told = Text("\n").join(Text(visible(line), style=style) for line, style in lines)
    Console(soft_wrap=True, highlight=False).print(told)


def say_shown(shown: RenderableType) -> None:
    """Print what Rich renders, a table, without cutting its lines."""
    Console(soft_wrap=True, highlight=False).print(shown)


def shown_live(pictures: Iterable[RenderableType]) -> None:
    """Show one picture after the other in the same place of the terminal, until an interrupt."""
    with suppress(KeyboardInterrupt), Live(console=Console(highlight=False), auto_refresh=False) as live:
        for picture in pictures:
            live.update(picture, refresh=True)


def warn(text: str) -> None:
    """Print lines of text that nobody may miss, to standard error."""
    _errors.print(Text(visible_lines(text), style="bold red"))


def traceback_told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback, a mistake in this program, as any other text."""
    _errors.print(Text(visible_lines("".join(traceback.format_exception(kind, error, trace)).rstrip())))


@contextmanager
def failures_told(interrupted: str = "nothing was published") -> Iterator[None]:
    """Tell what went wrong without a traceback, and exit with its code; for an interrupt 128 plus its number.

    Args:
        interrupted: What is to be known then.
    """
    with interrupts_raised() as caught:
        try:
            yield
        except (LoadErrors, Failure, OSError) as error:
            _errors.print(Text(visible_lines(_told(error)), style="red"))
            raise typer.Exit(error.exit_code if isinstance(error, Failure) else 1) from error
        except (KeyboardInterrupt, RuntimeError) as error:
            if not caught:  # Beam makes a RuntimeError of an interrupt within a transform
                raise
            _errors.print(f"interrupted: {interrupted}")
            raise typer.Exit(128 + caught[0]) from error


def _told(error: Exception) -> str:
    """Return what went wrong; of a file that cannot be had, which, and what to do."""
    if not isinstance(error, OSError) or isinstance(error, Failure) or not error.strerror or error.filename is None:
        return str(error)
    hint = "name another path, or see that this one is there and may be used"
    return str(LoadError(str(error.filename), None, error.strerror, hint=hint))


@contextmanager
def progress_shown() -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being done, and for how long; gives what to call with it."""
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    with Progress(*columns, console=_errors, transient=True, disable=not _errors.is_terminal) as progress:
        task = progress.add_task("loading", total=None)

        def tell(what: str) -> None:
            progress.update(task, description=visible(what))

        with steps_told(tell):
            yield tell

"""Flags of a command made from the fields of its settings, so that each is written once."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from inspect import Parameter
from typing import Annotated, Any, get_origin, get_type_hints

import typer

Command = Callable[..., None]


def takes(settings: type, **fixed: Any) -> Callable[[Command], Command]:
    """Make a command of a function whose first parameter is settings: each of their fields becomes a flag.

    Args:
        settings: A dataclass of `option` fields. A `ValueError` of theirs is told as wrong usage.
        **fixed: Fields that are no flags of this command, and their values.
    """
    hints = get_type_hints(settings)
    flags = [_flag(field, hints[field.name]) for field in fields(settings) if field.name not in fixed]

    def decorate(command: Command) -> Command:
        _, *own = inspect.signature(command).parameters.values()
        parameters = [*flags, *(parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in own)]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            values = {flag.name: given.pop(flag.name) for flag in flags}
            chosen = {name: _value(value) for name, value in values.items() if value not in (None, [])}
            try:
                made = settings(**fixed, **chosen)
            except ValueError as error:
                raise typer.BadParameter(str(error)) from error
            command(made, **given)

        run.__dict__["__signature__"] = inspect.Signature(parameters)
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def parser(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return what parses the text of a flag, and tells a `ValueError` as wrong usage in its own words."""

    @functools.wraps(parse)
    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    return parsed


def _flag(field: Field[Any], hint: Any) -> Parameter:
    """Return the parameter for a field; where the text is parsed, None stands for the field's own default."""
    about = field.metadata
    many = get_origin(hint) is tuple
    plain = about["parse"] is None and isinstance(field.default, str | int)
    kind: Any = list[str] if many else int if hint is int else str
    parse = about["parse"] and parser(about["parse"])
    shared = {"help": about["help"], "metavar": about["metavar"], "parser": parse, "show_default": plain}
    if about["flag"].startswith("--"):
        info = typer.Option(about["flag"], rich_help_panel=about["panel"], **shared)
    else:
        info = typer.Argument(**shared)
    if field.default is MISSING:
        return Parameter(field.name, Parameter.KEYWORD_ONLY, annotation=Annotated[kind, info])
    default = field.default if plain else None
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind | None, info])


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value

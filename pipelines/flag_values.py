"""What the text of a flag means; a `ValueError` says what is wrong with it."""

from fractions import Fraction

from schemas.durations import parse_instant


def pair(text: str) -> tuple[str, str]:
    """Return the name and the value of `NAME=VALUE`."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ValueError(f"`{text}` is not NAME=VALUE")
    return name, value


def directory(text: str) -> str:
    """Return the path of a directory to write to.

    Raises:
        ValueError: it is empty, which would be the one that one is in.
    """
    if not text:
        raise ValueError("is empty: name a directory")
    return text


def instant(text: str) -> int:
    """Return an instant from 1970 on as milliseconds since then: ticks are counted from there."""
    milliseconds = parse_instant(text)
    if milliseconds < 0:
        raise ValueError(f"must be from 1970 on, not `{text}`")
    return milliseconds


def instant_text(text: str) -> str:
    """Return the text of an instant as it is, once it is one."""
    instant(text)
    return text


def share(text: str) -> Fraction:
    """Return `1%` or `0.01` as the share that it is."""
    number = text.removesuffix("%")
    try:
        found = Fraction(number) / (100 if number != text else 1)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"`{text}` is not a share, as `1%` or `0.01`") from error
    if not 0 <= found <= 1:
        raise ValueError(f"`{text}` is not between 0% and 100%")
    return found


def positive(text: str) -> int:
    """Return a whole number that is at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"`{text}` is no whole number from 1 on")
    return int(text)

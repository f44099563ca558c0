"""What the text of a flag means; a `ValueError` says what is wrong with it."""

from fractions import Fraction
from importlib.util import find_spec

from schemas.addresses import check_scheme
from schemas.durations import parse_instant

_PACKAGES = {
    "gs": ("google.cloud.storage", "gcp"),
    "s3": ("boto3", "aws"),
    "hdfs": ("hdfs", "hadoop"),
    "azfs": ("azure.storage.blob", "azure"),
}
"""What Beam's file systems need, and its extra that has it."""


def pair(text: str) -> tuple[str, str]:
    """Return the name and the value of `NAME=VALUE`."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ValueError(f"`{text}` is not NAME=VALUE")
    return name, value


def directory(text: str) -> str:
    """Return the path of a directory to write to, on any file system that Beam knows.

    Raises:
        ValueError: it is empty, which would be the one that one is in, or nothing can be written there.
    """
    if not text:
        raise ValueError("is empty: name a directory")
    check_reachable(text)
    return text


def local_directory(text: str) -> str:
    """Return the path of a directory on this machine to write to."""
    if check_scheme(directory(text)):
        raise ValueError(f"`{text}` is not on this machine: name a directory, and copy it there")
    return text


def check_reachable(text: str) -> None:
    """Check that this environment has what the file system of a path needs.

    Raises:
        ValueError: it has not, or there is no such file system; with what to do.
    """
    package, extra = _PACKAGES.get(check_scheme(text), ("", ""))
    if package and not _is_installed(package):
        raise ValueError(f"`{text}` needs the package {package}: pip install 'apache-beam[{extra}]'")


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


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

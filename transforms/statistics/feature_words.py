"""Features in words: a sentence about each, with `{}` where its value goes."""

from schemas.durations import DAY, format_duration
from schemas.playbook_levels import Feature, Level


def words_of(level: Level) -> dict[str, str]:
    """Return for each feature and derived value of a level what it is, made of its definition and `describe`."""
    words = {name: _feature(feature) for name, feature in level.features.items()}
    return words | {name: f"{_plain(derived.describe or name)}: {{}}" for name, derived in level.derived.items()}


def _feature(feature: Feature) -> str:
    """Tell what is aggregated, the value, and over what time."""
    if feature.aggregate == "distinct" and feature.column == "local_date" and feature.window:
        days = f"{feature.window / DAY:g} days{_back(feature)}"
        return f"{_plain(feature.describe or _signals(feature))} on {{}} of {days}"
    what = feature.describe or f"{_aggregate(feature)}{_signals(feature)}"
    return f"{_plain(what)}: {{}}{f' in {_time(feature.window)}' if feature.window else ''}{_back(feature)}"


def _aggregate(feature: Feature) -> str:
    if feature.aggregate == "count":
        return "number of "
    names = {"distinct": "different", "last": "latest", "seconds_since_last": "seconds since the last"}
    column = "" if feature.column == "any" else f"{feature.column} of "
    return f"{names.get(feature.aggregate, feature.aggregate)} {column}"


def _signals(feature: Feature) -> str:
    return f"{feature.from_} where {feature.where}" if feature.where else feature.from_


def _time(milliseconds: int) -> str:
    days, rest = divmod(milliseconds, DAY)
    return format_duration(milliseconds) if rest else f"{days} days" if days > 1 else "a day"


def _back(feature: Feature) -> str:
    return f", {_time(feature.offset)} before" if feature.offset else ""


def _plain(text: str) -> str:
    """Return a text that is its own template."""
    return text.replace("{", "{{").replace("}", "}}")

"""Hypothesis strategies of playbooks: all aggregates, windows and conditions, mixed at random."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.reference.expressions import Value, is_true
from tests.reference.records import MINUTE, Grid

Draw = Callable[[st.SearchStrategy], object]
Reaches = tuple[tuple[int, int, int], ...]
"""Kinds of windows: the unit of W and offset, the least and the greatest W + offset, all in minutes."""

Sections = dict[str, list[str]]
"""The lines of each section of a level."""

SMALL = Grid(exact_limit=8 * MINUTE, short_pane=2 * MINUTE, long_pane=4 * MINUTE, short_span=16 * MINUTE)
"""A grid on which sawtooth windows of both panes fit into an hour."""
SMALL_REACHES: Reaches = ((1, 1, 8), (1, 1, 8), (2, 10, 16), (4, 20, 28))
LARGE_REACHES: Reaches = ((5, 5, 120), (5, 125, 600), (60, 2_940, 4_320))
"""For the design's own grid at a tick of five minutes."""

WHERES = {
    "usage": [
        "kind = 'data'",
        "NOT kind = 'data'",
        "mb > 1",
        "bytes IS NULL OR bytes BETWEEN 1 AND 5",
        "local_hour = 0",
    ],
    "balance": ["bucket = 'data'", "remaining_mb < little", "local_weekday = 1"],
    "order": ["state IN ('completed')", "quantity * amount > 2", "NOT (amount > 0 AND state = 'started')"],
}
_NUMERIC = {"usage": ["mb", "bytes"], "balance": ["remaining_mb"], "order": ["amount", "quantity"]}
_SAME = {"usage": ["product", "kind", "bytes"], "balance": ["product", "bucket"], "order": ["product", "state"]}
_TEXT = {"usage": ["kind", "peer"], "balance": ["bucket"], "order": ["state"]}

_PROFILE = ("profile.employees", "profile.tariff", "profile.has_fixed", "profile.contract_end")


@dataclass
class Names:
    """What an expression may read so far, and what it is for a subject without rows."""

    numbers: list[str]
    texts: list[str]
    seconds: list[str]
    booleans: list[str]
    empty: dict[str, Value]


@st.composite
def playbooks(draw: Draw, tick: int = 1, reaches: Reaches = SMALL_REACHES, least: int = 0, sequences: int = 0) -> str:
    """Return the text of a valid playbook.

    Args:
        draw: Hypothesis' own.
        tick: The tick in minutes; every duration but those of windows is a small number of them.
        reaches: Windows that fit the grid.
        least: How many segments there are at least.
        sequences: How many sequences there are at least; an offer names each of these.
    """
    sections = subscribers(draw, nobody(), tick, reaches, least, sequences)
    names = triggers({"subscriber": sections})
    named = draw(st.lists(st.sampled_from(names), max_size=4)) if names else []
    named += [f"subscriber.q{index}" for index in range(sequences)]
    offers = [f"offer: {{{offer(named, sections['moments'])}}}"] if named else []
    return text_of(
        {"subscriber": sections}, tick, "usage, balance, order, profile, consent, erasure", draw(policy()), offers
    )


def nobody() -> Names:
    """Return what a subject is known for before its features."""
    empty = {"n": 0, "days_until": lambda date: None, **dict.fromkeys(_PROFILE)}
    return Names(["n", "profile.employees"], [], [], [], empty)


def subscribers(draw: Draw, names: Names, tick: int, reaches: Reaches, least: int = 0, sequences: int = 0) -> Sections:
    """Return the sections of subscribers and note their names."""
    features = [f"n: {{count: any, from: usage, window: {3 * tick}m{_inferred(draw)}}}"]
    features += [feature(draw, f"f{index}", names, reaches) for index in range(draw(st.integers(1, 4)))]
    return {"features": features, **conditions(draw, names, tick, least, (sequences, 2))}


def conditions(
    draw: Draw, names: Names, tick: int, least: int, sequences: tuple[int, int], prefix: str = ""
) -> Sections:
    """Return what is made of features: derived values, segments and moments, their names with a prefix."""
    derived, segments = [], []
    for index in range(draw(st.integers(least, 4))):
        if index >= least and draw(st.booleans()):
            derived.append(_derived(draw, f"{prefix}d{index}", names, tick))
        else:
            segments.append(_segment(draw, f"{prefix}s{index}", names, tick))
    segments = draw(st.permutations(_in_sets(draw, segments)))
    moments = [_moment(draw, f"{prefix}m{index}", names, tick) for index in range(draw(st.integers(0, 2)))]
    moments += [_sequence(draw, f"{prefix}q{index}", names, tick) for index in range(draw(st.integers(*sequences)))]
    return {"derived": derived, "segments": segments, "moments": moments}


def triggers(levels: Mapping[str, Sections]) -> list[str]:
    """Return every name that an offer can be for."""
    found = []
    for kind, sections in levels.items():
        segments = [f"{kind}.{line.split(':')[0]}" for line in sections["segments"]]
        found += [f"{kind}.{line.split(':')[0]}" for line in sections["moments"]]
        found += segments + [f"{name}.exited" for name in segments]
    return found


def offer(named: Iterable[str], moments: Iterable[str] = ()) -> str:
    """Return an offer for these triggers, which reads what it can of those that are sequences of subscribers."""
    names = list(dict.fromkeys(named))
    text = f"for: [{', '.join(names)}], family: any, owner: us, value: 1, p_accept: 0.5, send: [app], valid_for: 1h"
    read = {column for line in moments if f"subscriber.{line.split(':')[0]}" in names for column in _readable(line)}
    return text + (f", params: {{{', '.join(f'{name}: trigger.{name}' for name in sorted(read))}}}" if read else "")


def policy() -> st.SearchStrategy[str]:
    """Return the basis of what is inferred."""
    return st.sampled_from(["opt_in", "opt_in", "opt_out", "opt_out", "contract"]).map(
        "{{consent: {{profiling: {}}}}}".format
    )


def text_of(levels: Mapping[str, Sections], tick: int, signals: str, policy: str, offers: Iterable[str]) -> str:
    """Return the text of a playbook."""
    lines = [
        "playbook: random",
        "time_zone: Europe/Helsinki",
        f"tick: {tick}m",
        f"allowed_lateness: {10 * tick}m",
        f"dedup_horizon: {12 * tick}m",
        f"contexts_every: {10 * tick}m",
        f"erased_for: {12 * tick}m",
        "let: {little: 2, busy: n > 1}",
        f"signals: [{signals}]",
        f"policy: {policy}",
    ]
    for kind, sections in levels.items():
        lines.append(f"{kind}:")
        for section, entries in sections.items():
            lines += [f"  {section}:", *(f"    {entry}" for entry in entries)] if entries else []
    lines += ["offers:", *(f"  {one}" for one in offers)] if offers else []
    return "\n".join(lines) + "\n"


def feature(draw: Draw, name: str, names: Names, reaches: Reaches) -> str:
    """Return a feature's line and note what it is."""
    signal = draw(st.sampled_from(sorted(_NUMERIC)))
    aggregates = ["count", "sum", "min", "max", "mean", "distinct", "first", "last", "seconds_since_last"]
    aggregate = draw(st.sampled_from(aggregates))
    columns = _NUMERIC[signal]
    if aggregate in ("distinct", "first", "last"):
        columns = columns + _TEXT[signal] + (["local_date"] if aggregate == "distinct" else [])
    if aggregate in ("count", "seconds_since_last"):
        columns = [*columns, "any", "any"]
    column = draw(st.sampled_from(columns))
    kind = names.texts if column in _TEXT[signal] and aggregate in ("first", "last") else names.numbers
    (names.seconds if aggregate == "seconds_since_last" else kind).append(name)
    names.empty[name] = 0 if aggregate in ("count", "sum", "distinct") else None
    where = f', where: "{draw(st.sampled_from(WHERES[signal]))}"' if draw(st.booleans()) else ""
    window = _window(draw, aggregate, reaches)
    return f"{name}: {{{aggregate}: {column}, from: {signal}{where}{window}{_inferred(draw)}}}"


def _inferred(draw: Draw) -> str:
    """Return that a feature needs consent, or nothing."""
    return ", inferred: true" if draw(st.integers(0, 3)) == 0 else ""


def _window(draw: Draw, aggregate: str, reaches: Reaches) -> str:
    """Return `window` and `offset`: exact, or sawtooth with short or long panes."""
    if aggregate == "last" and draw(st.booleans()):
        return ""
    unit, least, most = draw(st.sampled_from(reaches))
    reach = draw(st.integers(-(-least // unit), most // unit)) * unit
    window = draw(st.integers(1, reach // unit)) * unit
    return f", window: {window}m" + (f", offset: {reach - window}m" if reach > window else "")


def _derived(draw: Draw, name: str, names: Names, tick: int) -> str:
    """Return a derived value's line and note it."""
    a, b = draw(st.sampled_from(names.numbers)), draw(st.sampled_from(names.numbers))
    member = draw(st.sampled_from(names.booleans)) if names.booleans else "TRUE"
    texts = [
        "CASE WHEN days_until(profile.contract_end) < 1 THEN {a} ELSE {b} END",
        "{a} + {b}",
        "{a} - {b} * 0.5",
        "{a} / {b}",
        "COALESCE({a}, 0) / 4",
        "CASE WHEN {m} THEN {a} ELSE {b} END",
    ]
    text = draw(st.sampled_from(texts)).format(a=a, b=b, m=member)
    bounds = draw(st.sampled_from(["", "", ", bounds: [0, 1]", ", bounds: [0.5, 3]"]))
    names.numbers.append(name)
    names.empty[name] = 0 if "COALESCE" in text else None
    half_life = draw(st.sampled_from([None, None, 1, 3, 10]))
    fading = f", half_life: {half_life * tick}m" if half_life else ""
    return f'{name}: {{expr: "{text}"{bounds}{fading}{_refresh(draw, tick, text + fading)}}}'


def _segment(draw: Draw, name: str, names: Names, tick: int) -> str:
    """Return a segment's line, one that a subject without rows is not in, and note it."""
    enter = draw(st.sampled_from([condition(draw, names), "n > 0", "n > 1", "n = 1"]))
    if is_true(enter, names.empty, {"little": 2, "busy": "n > 1"}):
        enter = f"({enter}) AND n > 0"
    hold = draw(st.sampled_from([0, 0, 60, 90, 240]))
    expire = draw(st.sampled_from([None, None, 300, 400, 600]))
    parts = [f'enter: "{enter}"', f"hold: {hold * tick}s"]
    parts += [f'exit: "{condition(draw, names)}"'] if draw(st.booleans()) else []
    parts += [f"expire: {expire * tick}s"] if expire else []
    parts += ["on_late: trigger"] if draw(st.booleans()) else []
    parts[-1] += _refresh(draw, tick, "".join(parts))
    names.booleans.append(name)
    names.empty[name] = False
    return f"{name}: {{{', '.join(parts)}}}"


def _in_sets(draw: Draw, segments: list[str]) -> list[str]:
    """Put some segments into exclusive sets of two at least; each goes before those that may read it."""
    sets = [draw(st.sampled_from(["", "x", "x", "x", "y", "y"])) for _ in segments]
    sets = [name if sets.count(name) > 1 else "" for name in sets]
    ranked = enumerate(zip(segments, sets, strict=True), 1)
    return [line[:-1] + f", exclusive: {name}, priority: {rank}}}" if name else line for rank, (line, name) in ranked]


def _moment(draw: Draw, name: str, names: Names, tick: int) -> str:
    """Return a moment's line."""
    repeat, again_after = draw(st.sampled_from([None, 1, 3])), draw(st.sampled_from([None, 30, 150, 420]))
    parts = [f'when: "{condition(draw, names)}"']
    parts += [f"repeat: {repeat * tick}m"] if repeat else []
    parts += [f"again_after: {again_after * tick}s"] if again_after else []
    parts += ["on_late: trigger"] if draw(st.booleans()) else []
    parts[-1] += _refresh(draw, tick, parts[0])
    return f"{name}: {{{', '.join(parts)}}}"


def _refresh(draw: Draw, tick: int, text: str) -> str:
    """Return `refresh` where something drifts, given or not."""
    given = draw(st.sampled_from([None, 1, 4])) if "days_until" in text or "half_life" in text else None
    return f", refresh: {given * tick}m" if given else ""


def _sequence(draw: Draw, name: str, names: Names, tick: int) -> str:
    """Return the line of a moment that is a sequence."""
    parts = ["after", *draw(st.sampled_from([["then"], ["without"], ["then", "without"]]))]
    signals = draw(st.lists(st.sampled_from(sorted(_SAME)), min_size=1, max_size=2, unique=True))
    steps = {part: [_step(draw, signal) for signal in _some(draw, signals)] for part in parts}
    lines = [f"{part}: {{{', '.join(found)}}}" for part, found in steps.items()]
    common = set.intersection(*(set(_SAME[signal]) for signal in signals))
    if same := draw(st.lists(st.sampled_from(sorted(common)), max_size=2, unique=True)):
        lines.append(f"same: [{', '.join(same)}]")
    lines.append(f"within: {draw(st.sampled_from([1, 30, 60, 150, 300, 480, 900])) * tick}s")
    lines += [f'when: "{condition(draw, names)}"'] if draw(st.integers(0, 2)) == 0 else []
    again_after = draw(st.sampled_from([None, None, 150, 420]))
    lines += [f"again_after: {again_after * tick}s"] if again_after else []
    lines += ["on_late: trigger"] if draw(st.booleans()) else []
    return f"{name}: {{{', '.join(lines)}}}"


def _some(draw: Draw, signals: list[str]) -> list[str]:
    return draw(st.lists(st.sampled_from(signals), min_size=1, unique=True))


def _step(draw: Draw, signal: str) -> str:
    return f'{signal}: "{draw(st.just("any") | st.sampled_from(WHERES[signal]))}"'


def _readable(line: str) -> list[str]:
    """Return some columns that an offer may read of the signals of a moment."""
    columns = {"usage": ["mb", "kind"], "balance": ["bucket"], "order": ["amount"]}
    after = line.partition("after: {")[2].partition("}")[0]
    return [column for signal, mine in columns.items() if f"{signal}: " in after for column in mine]


def condition(draw: Draw, names: Names) -> str:
    """Return a condition over one or two atoms."""
    atoms = [_atom(draw, names) for _ in range(draw(st.integers(1, 2)))]
    text = draw(st.sampled_from([" AND ", " OR "])).join(atoms)
    return f"NOT ({text})" if draw(st.integers(0, 5)) == 0 else text


def _atom(draw: Draw, names: Names) -> str:
    """Return one comparison, or one name that is TRUE or FALSE."""
    number = f"{draw(st.sampled_from(names.numbers))} "
    compare, limit = draw(st.sampled_from([">", ">=", "<", "<=", "=", "<>"])), draw(st.sampled_from([0, 1, 2, 2.5, 5]))
    choices = [number + f"{compare} {limit}", number + f"{compare} {limit}", number + "IS NULL", "busy"]
    choices += [f"{name} {compare} {draw(st.sampled_from([30, 60, 90.5, 180, 400]))}" for name in names.seconds]
    choices += [f"{name} = 'data'" for name in names.texts]
    choices += ["profile.tariff = 'flex'", "profile.has_fixed", "NOT profile.has_fixed"]
    choices += [f"days_until(profile.contract_end) {compare} {draw(st.sampled_from([0, 1]))}"]
    choices += [draw(st.sampled_from(["", "NOT "])) + name for name in names.booleans]
    return draw(st.sampled_from(choices))

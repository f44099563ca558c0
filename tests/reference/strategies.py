"""Hypothesis strategies of histories: signals with all that goes wrong with them, spans, and calls of both."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.reference.playbooks import SMALL_REACHES, Reaches, playbooks
from tests.reference.records import MINUTE, Signal

Draw = Callable[[st.SearchStrategy], object]
Call = tuple[list[Signal], int]

START = 1_767_563_400_000  # 2026-01-04T21:50:00Z, ten minutes before midnight in Helsinki
SUBSCRIBERS = ("b", "d", "x")  # by no hash in this order, so that a tie broken by a hash is noticed

_PRODUCT = st.sampled_from([None, "p", "q"])
COLUMNS: dict[str, dict[str, st.SearchStrategy]] = {
    "usage": {
        "product": _PRODUCT,
        "mb": st.sampled_from([None, 0.0, 0.1, 0.25, 1.0, 1.5, 3.0078125, 40.0]),
        "bytes": st.sampled_from([None, 0, 1, 2, 5, 900]),
        "kind": st.sampled_from([None, "data", "voice"]),
        "peer": st.sampled_from([None, "p", "q", "r", "ö"]),
    },
    "balance": {
        "product": _PRODUCT,
        "remaining_mb": st.sampled_from([None, 0.0, 0.5, 2.0, 10.0]),
        "bucket": st.sampled_from([None, "data", "sms"]),
    },
    "order": {
        "product": _PRODUCT,
        "amount": st.sampled_from([None, -2.0, 0.015625, 5.0, 19.99]),
        "quantity": st.sampled_from([None, 1.0, 2.0, 3.0]),
        "state": st.sampled_from([None, "started", "completed"]),
    },
    "profile": {
        "tariff": st.sampled_from([None, "flex", "basic"]),
        "employees": st.sampled_from([None, 0, 1, 2, 5]),
        "has_fixed": st.sampled_from([None, True, False]),
        "contract_end": st.sampled_from([None, "2026-01-04", "2026-01-05", "2026-01-06", "2026-02-06", "soon"]),
    },
    "consent": {
        "purpose": st.sampled_from(["profiling", "profiling", "profiling", "marketing"]),
        "state": st.sampled_from(["granted", "withdrawn"]),
        "valid_until": st.sampled_from(
            [None, None, *(START + minute * MINUTE + 30_000 * (minute % 2) for minute in (3, 10, 21, 40))]
        ),
    },
}


@dataclass(frozen=True)
class Case:
    """A playbook's text and the calls to advance it by; two cases that differ only in calls are the same history."""

    playbook: str
    calls: list[Call]

    def __repr__(self) -> str:
        """Return something to paste."""
        return f"Case({self.playbook}\n{self.calls})"


@st.composite
def signals(draw: Draw, tick: int = 1, ticks: int = 40, most: int = 30) -> list[Signal]:
    """Return signals of up to three subjects, with copies: the same again, at another time, from another source.

    Args:
        draw: Hypothesis' own.
        tick: The tick in minutes: many signals are exactly on one.
        ticks: How many ticks they are spread over.
        most: How many signals there are at the most, not counting copies.
    """
    rows: list[Signal] = []
    for index in range(draw(st.integers(1, most))):
        signal = draw(st.sampled_from(["usage", "usage", "balance", "order", "profile", "consent"]))
        payload = {column: draw(values) for column, values in COLUMNS[signal].items()}
        minute = draw(st.integers(0, ticks)) * tick
        time = START + minute * MINUTE + draw(st.sampled_from([0, 0, 1, 30_000, 59_999]))
        rows.append(Signal(signal, f"{index}", "net", time, draw(st.sampled_from(SUBSCRIBERS)), payload))
        rows += _copies(draw, rows, tick)
    return rows


def _copies(draw: Draw, rows: list[Signal], tick: int) -> list[Signal]:
    """Return at most two more rows, equal to one another, that share their id with an earlier one.

    Of one time they are equal to that one: which of several contents holds depends on the columns that travel.
    """
    if draw(st.integers(0, 4)):
        return []
    one = draw(st.sampled_from(rows))
    source = draw(st.sampled_from([one.source, one.source, "other"]))
    moved = one.time + draw(st.sampled_from([0, 0, 1, 3 * tick * MINUTE, 12 * tick * MINUTE]))
    fresh = {column: draw(COLUMNS[one.signal][column]) for column in one.payload}
    copy = Signal(one.signal, one.id, source, moved, one.subject, fresh)
    known = {(row.key, row.time): row.payload for row in (*rows, one)}
    copy = replace(copy, payload=known.get((copy.key, copy.time), fresh))
    return [copy] * draw(st.integers(1, 2))


@st.composite
def ends(draw: Draw, tick: int = 1, ticks: int = 40) -> list[int]:
    """Return where spans end: random ticks, the last one some time after every signal."""
    cuts = draw(st.lists(st.integers(0, ticks + 5), max_size=5, unique=True))
    return [START + cut * tick * MINUTE for cut in sorted({*cuts, ticks + 25})]


def dealt(rows: list[Signal], spans: list[int], shifts: list[int]) -> list[Call]:
    """Return calls in which row i comes `shifts[i]` spans after the one that closes its tick (negative: before)."""
    calls: list[Call] = [([], end) for end in spans]
    for row, shift in zip(rows, shifts, strict=True):
        due = next((index for index, end in enumerate(spans) if row.time < end), len(spans) - 1)
        calls[min(max(due + shift, 0), len(spans) - 1)][0].append(row)
    return calls


def in_time(rows: list[Signal], spans: list[int]) -> list[Call]:
    """Return calls in which every row comes with the span that closes its tick."""
    return dealt(rows, spans, [0] * len(rows))


@st.composite
def consents(draw: Draw, ticks: int = 40) -> list[Signal]:
    """Return many consents and withdrawals of up to three subjects."""
    rows: list[Signal] = []
    for index in range(draw(st.integers(6, 18))):
        payload = {column: draw(values) for column, values in COLUMNS["consent"].items()}
        time = START + draw(st.integers(0, ticks)) * MINUTE + draw(st.sampled_from([0, 1, 30_000, 59_999]))
        rows.append(Signal("consent", f"c{index}", "crm", time, draw(st.sampled_from(SUBSCRIBERS)), payload))
    return rows


@st.composite
def consent_cases(draw: Draw) -> Case:
    """Return a playbook in which much is inferred, and calls with many consents."""
    text = draw(playbooks(least=2).filter(lambda text: "profiling: contract" not in text))
    text = re.sub(r"(from: usage[^}]*)}", r"\1, inferred: true}", text.replace(", inferred: true", ""))
    rows, spans = draw(st.permutations(draw(signals()) + draw(consents()))), draw(ends())
    shifts = [draw(st.sampled_from([0, 0, 0, 0, 1, 2, -1, -3])) for _ in rows]
    return Case(text, dealt(rows, spans, shifts))


@st.composite
def feed_cases(draw: Draw) -> Case:
    """Return a playbook with absences whose feeds are down now and then, and calls."""
    return watched(draw, draw(cases(sequences=2)))


def watched(draw: Draw, case: Case) -> Case:
    """Return a case with feeds that are watched, and some types of which nobody knows whether they are down."""
    timeouts = {name: draw(st.sampled_from([None, 2, 5, 9])) for name in ("usage", "balance", "order")}
    said = ", ".join(f"{name}: {minutes}m" for name, minutes in timeouts.items() if minutes)
    return replace(case, playbook=f"feed_timeout: {{{said}}}\n{case.playbook}")


@st.composite
def cases(
    draw: Draw, tick: int = 1, ticks: int = 40, reaches: Reaches = SMALL_REACHES, least: int = 0, sequences: int = 0
) -> Case:
    """Return a playbook and calls with rows on time, early (they wait), late and too late."""
    rows, spans = draw(signals(tick, ticks)), draw(ends(tick, ticks))
    shifts = [draw(st.sampled_from([0, 0, 0, 0, 1, 2, -1, -3])) for _ in rows]
    return Case(draw(playbooks(tick, reaches, least, sequences)), dealt(draw(st.permutations(rows)), spans, shifts))


def erased(draw: Draw, case: Case, subjects: Mapping[str, Sequence[str]], ticks: int = 40) -> Case:
    """Return a case with erasures of subjects, by kind; on time, late, early, and twice."""
    rows: list[Signal] = []
    for index in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(sorted(subjects)))
        minute = min(draw(st.integers(0, ticks)), draw(st.integers(0, ticks)))
        time = START + minute * MINUTE + draw(st.sampled_from([0, 1, 30_000, 59_999]))
        one = Signal("erasure", f"e{index}", "law", time, draw(st.sampled_from(subjects[kind])), {}, kind)
        rows += [one] * draw(st.sampled_from([1, 1, 2]))
    shifts = [draw(st.sampled_from([0, 0, 0, 1, 2, -1])) for _ in rows]
    given = dealt(rows, [upto for _, upto in case.calls], shifts)
    return Case(case.playbook, [(mine + more, upto) for (mine, upto), (more, _) in zip(case.calls, given, strict=True)])


def in_calls(draw: Draw, rows: list[Signal], groups: Mapping[str, Sequence[str]]) -> list[Call]:
    """Return calls with rows on time, early and late, and now and then erasures."""
    shifts = [draw(st.sampled_from([0, 0, 0, 0, 1, 2, -1, -3])) for _ in rows]
    case = Case("", dealt(rows, draw(ends()), shifts))
    if draw(st.booleans()):
        case = erased(draw, case, {"subscriber": SUBSCRIBERS, **groups})
    return case.calls


@st.composite
def erased_cases(draw: Draw) -> Case:
    """Return a case of subscribers with sequences and erasures."""
    return erased(draw, draw(cases(ticks=20, sequences=1)), {"subscriber": SUBSCRIBERS}, ticks=20)

"""Hypothesis strategies of playbooks with households and SMEs, and of who is in them when."""

from dataclasses import replace

from hypothesis import strategies as st

from tests.reference.playbooks import (
    SMALL_REACHES,
    Draw,
    Names,
    Sections,
    condition,
    conditions,
    feature,
    nobody,
    offer,
    policy,
    subscribers,
    text_of,
    triggers,
)
from tests.reference.records import MINUTE, Signal
from tests.reference.strategies import START, SUBSCRIBERS, Call, Case, consents, dealt, ends, erased, signals, watched

ROLES = (None, "primary", "owner", "member", "employee", "child")
GROUPS = {"household": ("h1", "h2", "h3"), "sme": ("c1", "c2")}


@st.composite
def group_playbooks(draw: Draw, sequences: int = 0) -> str:
    """Return the text of a valid playbook with households, SMEs or both; each level has so many sequences at least."""
    names = nobody()
    levels = {"subscriber": subscribers(draw, names, 1, SMALL_REACHES, sequences=sequences)}
    for kind in draw(st.sampled_from([["household"], ["sme"], ["household", "sme"]])):
        levels[kind] = _group(draw, kind[0], names, levels["subscriber"], sequences)
    offers = []
    known = triggers(levels)
    for index in range(draw(st.integers(0, 3)) if known else 0):
        named = draw(st.lists(st.sampled_from(known), min_size=1, max_size=4))
        to, cooldown = draw(st.sampled_from(ROLES)), draw(st.sampled_from([0, 4, 15]))
        more = (f", to: {to}" if to else "") + (f", cooldown: {cooldown}m" if cooldown else "")
        more += draw(st.sampled_from(["", "", ", message: care"]))
        send = draw(st.sampled_from(["[app]", "[sms]", "[app, sms]"]))
        text = offer(named, levels["subscriber"]["moments"]).replace("[app]", send)
        offers.append(f"offer{index}: {{{text}{more}}}")
    basis = draw(policy())
    basis = basis.replace(
        "{profiling", draw(st.sampled_from(["{profiling", "{marketing: opt_out, care: opt_in, profiling"]))
    )
    text = text_of(levels, 1, "usage, balance, order, profile, membership, consent, erasure", basis, offers)
    text = f"max_members: {draw(st.sampled_from([1, 2, 2, 1000]))}\n{text}"
    return f"min_confidence: {draw(st.sampled_from([0, 0, 0.5, 1]))}\n{text}"


def _group(draw: Draw, prefix: str, members: Names, subscriber: Sections, sequences: int) -> Sections:
    """Return the sections of a kind of group, all names with a prefix but `n`, which is everywhere."""
    names = nobody()
    lines = ["n: {count: any, from: usage, window: 3m}"]
    for index in range(draw(st.integers(0, 3))):
        lines.append(feature(draw, f"{prefix}f{index}", names, SMALL_REACHES))
    for index in range(draw(st.integers(0, 1))):
        lines.append(_of_subscribers(draw, f"{prefix}l{index}", names))
    for index in range(draw(st.integers(0, 3))):
        lines.append(_of_members(draw, f"{prefix}x{index}", names, members, subscriber))
    return {"features": lines, **conditions(draw, names, 1, 0, (sequences, 1), prefix)}


def _of_subscribers(draw: Draw, name: str, names: Names) -> str:
    """Return a feature over whose signals they are, and note it."""
    window = draw(st.sampled_from(["3m", "8m", "12m", "24m"]))
    told = draw(st.sampled_from(["distinct: subscriber", "count: subscriber", "count: any"]))
    where = f', where: "subscriber IN {SUBSCRIBERS[::2]}"' if told == "count: any" else ""
    inferred = ", inferred: true" if draw(st.booleans()) else ""
    names.numbers.append(name)
    names.empty[name] = 0
    return f"{name}: {{{told}, from: usage{where}, window: {window}{inferred}}}"


def _of_members(draw: Draw, name: str, names: Names, members: Names, subscriber: Sections) -> str:
    """Return a feature over members' contexts and note it; sums are of whole numbers, which have no order."""
    lines = subscriber["features"]
    whole = [line.split(":")[0] for line in lines if "{count: " in line or "{distinct: " in line]
    numbers = [one for one in members.numbers if not one.startswith("profile.")]
    scope = Names(numbers, members.texts, [], members.booleans, {})
    columns = {
        "count": ["any", "any", "role", *numbers, *members.texts],
        "distinct": ["role", *numbers, *members.texts, *members.booleans],
        "sum": whole,
        "mean": whole,
        "min": numbers,
        "max": numbers,
    }
    aggregate = draw(st.sampled_from([*columns]))
    wheres = [_plain(draw, scope), _plain(draw, scope), "role IN ('owner', 'member')", "role IS NULL"]
    where = f', where: "{draw(st.sampled_from(wheres))}"' if draw(st.booleans()) else ""
    names.numbers.append(name)
    names.empty[name] = 0 if aggregate in ("count", "sum", "distinct") else None
    return f"{name}: {{{aggregate}: {draw(st.sampled_from(columns[aggregate]))}, from: members{where}}}"


def _plain(draw: Draw, scope: Names) -> str:
    """Return a condition that reads no profile, which members do not show."""
    text = condition(draw, scope)
    return "n > 1" if "profile." in text else text


@st.composite
def group_cases(draw: Draw) -> Case:
    """Return a playbook with groups, and calls."""
    calls = draw(group_calls())
    return Case(draw(group_playbooks()), calls)


@st.composite
def group_feed_cases(draw: Draw) -> Case:
    """Return a playbook about groups with absences whose feeds are down now and then, and calls."""
    calls = draw(group_calls())
    return watched(draw, Case(draw(group_playbooks(sequences=1)), calls))


@st.composite
def group_calls(draw: Draw) -> list[Call]:
    """Return calls with signals of subscribers who come and go, of groups, and rows late and early."""
    rows = draw(signals()) + draw(moves()) + (draw(consents()) if draw(st.booleans()) else [])
    rows = draw(st.permutations([_of_a_group(draw, _reaching(row)) for row in rows]))
    spans = draw(ends())
    shifts = [draw(st.sampled_from([0, 0, 0, 0, 1, 2, -1, -3])) for _ in rows]
    return dealt(rows, spans, shifts)


@st.composite
def erased_group_cases(draw: Draw) -> Case:
    """Return the same with erasures of subscribers and groups."""
    return erased(draw, draw(group_cases()), {"subscriber": SUBSCRIBERS, **GROUPS})


@st.composite
def moves(draw: Draw, ticks: int = 40, most: int = 14) -> list[Signal]:
    """Return memberships: joins, leaves with and without a join, changes of role, and the same again."""
    rows: list[Signal] = []
    for index in range(draw(st.integers(1, most))):
        kind = draw(st.sampled_from(["household", "household", "sme"]))
        group = draw(st.sampled_from(GROUPS[kind]))
        state = draw(st.sampled_from(["joined", "joined", "left"]))
        told = {"group_kind": kind, "group": group, "state": state, "role": draw(st.sampled_from(ROLES))}
        told["confidence"] = draw(st.sampled_from([None, None, 0.0, 0.4, 0.5, 0.9, 1.0]))
        minute = min(draw(st.integers(0, ticks)), draw(st.integers(0, ticks)))
        time = START + minute * MINUTE + draw(st.sampled_from([0, 1, 20_000, 30_000, 59_999]))
        one = Signal("membership", f"m{index}", "crm", time, draw(st.sampled_from(SUBSCRIBERS)), told)
        rows += [one] * draw(st.sampled_from([1, 1, 1, 2]))
    return rows


def _reaching(row: Signal) -> Signal:
    """Return the row, a consent or a profile with what it says of channels; of copies the same."""
    number = sum(map(ord, f"{row.id} {row.time}"))
    if row.signal == "consent":
        purpose = ["profiling", "marketing", "marketing", "care"][number % 4]
        channel = [None, None, "", "app", "sms"][number % 5]
        return replace(row, payload={**row.payload, "purpose": purpose, "channel": channel})
    if row.signal == "profile":
        return replace(row, payload={**row.payload, "channels": [None, "app", "sms", "mail,app", ""][number % 5]})
    return row


def _of_a_group(draw: Draw, row: Signal) -> Signal:
    """Return the row, or now and then the same about a group."""
    if row.signal == "membership" or draw(st.integers(0, 7)):
        return row
    kind = draw(st.sampled_from([*GROUPS]))
    group = draw(st.sampled_from(GROUPS[kind]))
    return Signal(row.signal, row.id, row.source, row.time, group, row.payload, kind)

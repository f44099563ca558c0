"""Who is known in a shard: others are erased there without looking any further."""

import polars as pl
import pyarrow as pa
import pytest

from schemas.playbook_file import parse_playbook
from tests.reference.kernel import batch as batch_of
from tests.reference.kernel import batches
from tests.reference.records import MINUTE, Signal
from tests.reference.stages import SALT
from tests.reference.strategies import START
from transforms.compiler.load import load_plans
from transforms.context.advance_levels import AdvancedLevels, advance_levels
from transforms.context.erasure.presence import known_here
from transforms.context.erasure.requests import REQUESTS
from transforms.context.groups.people import member_of
from transforms.context.live.resident import Resident
from transforms.context.run import Options

PLANS = load_plans(
    parse_playbook("""
playbook: homes
version: 1
signals: [usage, membership, erasure]
subscriber: {features: {n: {count: any, from: usage, window: 1h}}}
household: {features: {n: {count: any, from: usage, window: 1h}}}
""")
)


def batch(signal: str, **columns: list[str] | pl.Series) -> pa.RecordBatch:
    rows = pa.RecordBatch.from_pydict({name: pa.array(list(values)) for name, values in columns.items()})
    return rows.replace_schema_metadata({b"signal": signal.encode()})


SIGNALS = {
    "subscriber": [batch("usage", subject=["a"]), batch("membership", subject=["a"], group=["h"]), batch("feed")],
    "household": [batch("usage", subject=["h"], member=member_of(pl.Series(["a"])))],
}


@pytest.mark.parametrize("level", PLANS)
def test_whoever_a_signal_is_about_or_comes_from_is_known(level: str) -> None:
    asked = [("subscriber", "a"), ("subscriber", "b"), ("subscriber", "h"), ("household", "h"), ("household", "a")]
    requests = pl.DataFrame(
        [{"subject_kind": kind, "subject": subject} for kind, subject in asked], schema_overrides=REQUESTS
    )
    known = known_here(PLANS[level], Resident.load(None), SIGNALS[level], requests)
    assert known.to_list() == [True, False, False, True, False]


def advanced(erased: list[tuple[int, str]], *ends: int) -> list[AdvancedLevels]:
    """Return what calls up to some minutes make of `a` and `z`, and of erasures, each at its minute."""
    plan, state, made = PLANS["subscriber"], None, list[AdvancedLevels]()
    rows = [Signal("usage", f"{n}", "net", START + n * MINUTE, who, {}) for n, who in ((0, "a"), (9, "z"))]
    asked = [Signal("erasure", who, "law", START + minute * MINUTE, who, {}) for minute, who in erased]
    waiting = [*batches(plan, rows), batch_of("erasure", plan.level, (), asked)]
    for end in ends:
        made.append(advance_levels([plan], state, waiting, START + end * MINUTE, Options(salt=SALT)))
        waiting, state = made[-1].waiting, made[-1].dump()
    return made


def test_only_who_is_known_cuts_a_span() -> None:
    assert [len(one.every) for one in advanced([(4, "stranger")], 30)] == [1]
    assert [len(one.every) for one in advanced([(4, "stranger"), (5, "a")], 30)] == [2]


def test_a_state_does_not_tell_how_the_span_was_cut() -> None:
    erased = [(3, "a"), (5, "stranger")]
    whole, parts = advanced(erased, 30), advanced(erased, 2, 4, 6, 30)
    assert whole[-1].dump() == parts[-1].dump()
    assert len(whole[-1].levels.tombstones[0]) == len(erased)


def test_two_erasures_of_one_subject_remove_it_once() -> None:
    plan, options = PLANS["subscriber"], Options(salt=SALT)
    rows = [Signal("usage", f"{n}", "net", START + n, "a", {}) for n in range(3)]
    made = advance_levels([plan], None, batches(plan, rows), START + MINUTE, options)
    requests = [Signal("erasure", name, "law", START + MINUTE, "a", {}) for name in ("e", "f")]
    told = [batch_of("erasure", "subscriber", (), requests)]
    made = advance_levels([plan], made.levels, told, START + 2 * MINUTE, options)
    removed = pl.concat([pl.DataFrame(one) for one in made.erased[0].removed])
    counts = removed.filter(pl.col("table") == "features").group_by("id").agg(pl.col("rows").sum()).sort("id")
    assert counts.rows() == [("e", 3), ("f", 3)]

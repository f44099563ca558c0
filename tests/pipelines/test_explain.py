"""Explanations are what the files of a run say, no more."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.explain import explain
from pipelines.explained import Story
from pipelines.failures import UnknownSubjectError
from schemas.durations import parse_instant
from schemas.records import TRANSITION
from tests.pipelines.explain_story.rows import decision, sent
from tests.transforms.decision.small_policies import HOUR, Cap, Offer, Policy, Trigger, batches_of, plan_of
from transforms.decision.decide import decide
from transforms.decision.records import decision_schema


def test_a_story_tells_context_members_and_decisions(small_out: Path) -> None:
    story = explain(str(small_out), "ann")
    assert story.subject == "subscriber/ann"
    assert story.context is not None
    assert story.context["context"]["left_mb"] == 300
    assert [(row["tick"], row["action"], row["reason"]) for row in story.decisions] == [
        ("2026-03-02T09:01:00.000Z", "offer", None),
        ("2026-03-02T11:01:00.000Z", "no_offer", "cooldown"),
    ]


def test_members_are_those_who_have_not_left(small_out: Path) -> None:
    entered = "2026-03-02T08:41:00.000Z"
    assert explain(str(small_out), "ben").members == {}
    assert explain(str(small_out), "ben", parse_instant("2026-03-02T09:00:00+00:00")).members == {"heavy": entered}


def test_nothing_after_the_time_asked_for_is_told(small_out: Path) -> None:
    story = explain(str(small_out), "subscriber/ann", parse_instant("2026-03-02T10:00:00+00:00"))
    assert [row["tick"] for row in story.decisions] == ["2026-03-02T09:01:00.000Z"]
    assert story.context is not None
    assert story.context["context"]["left_mb"] == 400


@pytest.mark.parametrize(
    ("subject", "at", "lines"),
    [
        (
            "ann",
            None,
            [
                "  2026-03-02T11:01:00.000Z  subscriber.running_out: no offer: cooldown  [9fde00be]",
                "why no offer: cooldown",
                "  subscriber.running_out at 2026-03-02T11:01:00.000Z: left_mb = 300",
                "  topup by app  priority 5  value 0.8  p_accept 0.2  blocked: cooldown",
            ],
        ),
        ("ann", "2026-03-02T08:30:00+00:00", ["no decisions", "no context was written yet"]),
        ("ben", "2026-03-02T08:50:00+00:00", ["  heavy  since 2026-03-02T08:41:00.000Z"]),
        ("ben", None, ["why no offer: not_eligible", "  2026-03-02T08:41:00.000Z  heavy entered: mb_1h = 1,300"]),
        ("eva", None, ["  plan by app  priority 5  value 0.9  p_accept 0.1 assumed  sent"]),
    ],
)
def test_the_text_says_why(small_out: Path, subject: str, at: str | None, lines: list[str]) -> None:
    text = explain(str(small_out), subject, None if at is None else parse_instant(at)).text()
    assert [line for line in lines if line not in text.splitlines()] == []


ANN, HOME = ("subscriber", "ann"), ("household", "h")


@pytest.mark.parametrize(
    ("subject", "recipient", "root", "told"),
    [
        (ANN, ANN, ANN, "t: no offer: cooldown"),
        (ANN, ANN, HOME, "t (contact root household/h): no offer: cooldown"),
        (HOME, ANN, HOME, "t (of household/h, to subscriber/ann): no offer: cooldown"),
        (("sme", "f"), ANN, HOME, "t (of sme/f, to subscriber/ann, contact root household/h): no offer: cooldown"),
        (HOME, (None, None), HOME, "t (of household/h, to nobody): no offer: cooldown"),
    ],
)
def test_recipient_and_root_are_told_where_they_are_others(
    subject: tuple[str, str], recipient: tuple[str | None, str | None], root: tuple[str, str], told: str
) -> None:
    who = {"subject": subject, "recipient": recipient, "root": root}
    row = {f"{name}_kind": kind for name, (kind, _) in who.items()} | {name: each for name, (_, each) in who.items()}
    row |= {
        "tick": "now",
        "trigger_tick": "now",
        "trigger": "t",
        "n": 0,
        "action": "no_offer",
        "reason": "cooldown",
        "channel": None,
    }
    row |= {"candidates": [{}], "decision_id": "0", "playbook": "p", "version": "1", "mode": "live", "evidence": {}}
    assert f"  now  {told}  [0]" in Story("subscriber/ann", None, {}, [], [row]).text().splitlines()


def _write(out: Path, decisions: pa.Table, contexts: pa.Table | None = None) -> None:
    tables = {"decisions": decisions, "transitions": TRANSITION.empty_table()}
    tables["contexts"] = TRANSITION.empty_table() if contexts is None else contexts
    for name, table in tables.items():
        pq.write_table(table, out / f"{name}.parquet")
    (out / "run.json").write_text("{}")


def test_what_would_have_gone_to_a_subscriber_is_told_of_it_too(tmp_path: Path) -> None:
    plan = plan_of(Policy((Offer("a"),)))
    triggers = [
        Trigger("h", kind="household", to="ann", tick=HOUR),
        Trigger("h", kind="household", to="ben", tick=HOUR),
    ]
    _write(tmp_path, decide(plan, None, batches_of(triggers), 2 * HOUR).decisions)
    known = {who: [row["recipient"] for row in explain(str(tmp_path), who).decisions] for who in ("ann", "household/h")}
    assert known == {"ann": ["ann"], "household/h": ["ann", "ben"]}


def test_what_went_out_is_told_of_who_was_outranked(tmp_path: Path) -> None:
    plan = plan_of(Policy((Offer("a", ("a",)), Offer("b", ("b",), value=2.0)), (Cap(1, "day"),)))
    triggers = [Trigger("ann", "a", tick=HOUR), Trigger("ann", "b", tick=HOUR), Trigger("ben", "b", tick=HOUR)]
    _write(tmp_path, decide(plan, None, batches_of(triggers), 2 * HOUR).decisions)
    assert "a: outranked; at that tick went out b of subscriber/ann  [" in explain(str(tmp_path), "ann").text()


def test_who_was_held_out_is_told_of_who_was_outranked(tmp_path: Path) -> None:
    plan = plan_of(Policy((Offer("a", ("a",)), Offer("b", ("b",), value=2.0)), (Cap(1, "day"),)))
    triggers = [Trigger("ann", "a", tick=HOUR), Trigger("ann", "b", tick=HOUR)]
    table = decide(plan, None, batches_of(triggers), 2 * HOUR).decisions
    rows = [row | ({"action": "holdout"} if row["action"] == "offer" else {}) for row in table.to_pylist()]
    _write(tmp_path, pa.Table.from_pylist(rows, table.schema))
    assert (
        "a: outranked; at that tick went out b of subscriber/ann (held out)  [" in explain(str(tmp_path), "ann").text()
    )


@pytest.mark.parametrize(
    ("explained", "lines"),
    [
        (0, ["  … and 3 more", "  2026-03-01T12:00", "  2026-03-05T12:00"]),
        (13, ["  … and 4 more", "  2026-03-05T12:00", "  2026-03-06T12:00"]),
    ],
)
def test_what_is_explained_is_listed_and_what_is_not_is_counted(explained: int, lines: list[str]) -> None:
    rows = [decision(tick=f"2026-03-{day:02d}T12:00:00.000Z", reason="cooldown") for day in range(1, 15)]
    told = Story("subscriber/ann", None, {}, [], rows, explained=rows[explained]).parts()["decisions"]
    assert [line[: len(begin)] for line, begin in zip(told[1:4], lines, strict=True)] == lines


def test_what_withdrew_a_decision_is_told_where_it_is_explained() -> None:
    row = sent("topup", "2026-03-01T12:00:00.000Z")
    gone = row | {"tick": "2026-03-02T12:00:00.000Z", "action": "withdrawn", "reason": "goal_reached"}
    why = Story("subscriber/ann", None, {}, [], [row, gone], explained=row | {"told": ["because"]}).parts()["why"]
    assert why[2:4] == [
        "  because",
        "  2026-03-02T12:00:00.000Z: withdrawn topup by app: goal_reached (the customer did already what the offer, "
        "or another of its family, is for)",
    ]


def test_only_columns_of_the_subjects_own_level_are_told(tmp_path: Path) -> None:
    told = [
        ("subscriber", "ann", {"mb": 1.0, "left": None, "workers": None, "profile": {"tariff": "big"}}),
        ("subscriber", "ben", {"mb": 2.0, "left": 0.5, "workers": None, "profile": {"tariff": "big"}}),
        ("household", "h", {"mb": None, "left": None, "workers": 2, "profile": {"tariff": None}}),
    ]
    tick = datetime(2026, 3, 2, tzinfo=UTC)
    rows = [{"subject_kind": kind, "subject": who, "tick": tick, "context": context} for kind, who, context in told]
    decisions = decision_schema(plan_of(Policy((Offer("a"),)))).empty_table()
    _write(tmp_path, decisions, pa.Table.from_pylist(rows))
    stories = [explain(str(tmp_path), who).context for who in ("ann", "household/h")]
    assert [story and story["context"] for story in stories] == [
        {"mb": 1.0, "left": None, "profile": {"tariff": "big"}},
        {"workers": 2},
    ]


def test_the_record_is_json(small_out: Path) -> None:
    record = json.loads(json.dumps(explain(str(small_out), "ann").record()))
    told = {"subject", "context", "members", "transitions", "decisions", "erased", "removed"}
    assert record.keys() == told | {"explained", "gates", "why_not"}


@pytest.mark.parametrize("subject", ["nobody", "sme/ann"])
def test_who_is_not_there_is_told(small_out: Path, subject: str) -> None:
    with pytest.raises(UnknownSubjectError, match="tells nothing of"):
        explain(str(small_out), subject)


def test_digits_that_decide_and_nulls_are_told(tmp_path: Path) -> None:
    tick = datetime(2026, 3, 2, tzinfo=UTC)
    context = {"mb": 1234567.6, "less": 1234567.4, "tiny": 0.1 + 0.2, "whole": 5.0, "never": None}
    rows = [{"subject_kind": "subscriber", "subject": "ann", "tick": tick, "context": context}]
    _write(tmp_path, decision_schema(plan_of(Policy((Offer("a"),)))).empty_table(), pa.Table.from_pylist(rows))
    told = [line.split() for line in explain(str(tmp_path), "ann").text().splitlines()]
    for line in (
        ["mb", "1,234,567.6"],
        ["less", "1,234,567.4"],
        ["tiny", "0.30000000000000004"],
        ["whole", "5"],
        ["never", "NULL"],
    ):
        assert line in told


@pytest.mark.parametrize(("read", "told"), [('{"x": null}', ": x = NULL"), ("{}", ": "), (None, ": ")])
def test_what_a_condition_read_is_told_though_it_was_null(tmp_path: Path, read: str | None, told: str) -> None:
    plan = plan_of(Policy((Offer("a"),)))
    _write(tmp_path, decide(plan, None, batches_of([Trigger("ann", "a", tick=HOUR, x=None)]), 2 * HOUR).decisions)
    fired = {"subject_kind": "subscriber", "subject": "ann", "tick": HOUR, "kind": "moment", "event": "fired"}
    fired |= {"name": "a", "late": False, "evidence": read}
    pq.write_table(pa.Table.from_pylist([fired], TRANSITION), tmp_path / "transitions.parquet")
    assert f"  a at 1970-01-01T01:00:00.000Z{told}" in explain(str(tmp_path), "ann").text().splitlines()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("h/1", "subscriber/h/1"),
        ("subscriber/h/1", "subscriber/h/1"),
        ("household/h/1", "household/h/1"),
        ("household/x", "subscriber/household/x"),
        ("/", "subscriber//"),
    ],
)
def test_ids_with_slashes_are_found(tmp_path: Path, asked: str, found: str) -> None:
    _ids(tmp_path, [("subscriber", "h/1"), ("household", "h/1"), ("subscriber", "household/x"), ("subscriber", "/")])
    assert explain(str(tmp_path), asked).subject == found


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("h", "tells nothing of subscriber/h: did you mean household/h?"),
        ("sme/h", "tells nothing of sme/h: did you mean household/h?"),
        ("f", "did you mean household/f or sme/f?"),
        ("z", "no signals, not in the sample, or erased"),
    ],
)
def test_another_kind_of_that_id_is_suggested(tmp_path: Path, asked: str, hint: str) -> None:
    _ids(tmp_path, [("household", "h"), ("household", "f"), ("sme", "f")])
    with pytest.raises(UnknownSubjectError) as told:
        explain(str(tmp_path), asked)
    assert hint in str(told.value)


def _ids(out: Path, subjects: list[tuple[str, str]]) -> None:
    tick = datetime(2026, 3, 2, tzinfo=UTC)
    rows = [{"subject_kind": kind, "subject": who, "tick": tick, "context": {"n": 1}} for kind, who in subjects]
    _write(out, decision_schema(plan_of(Policy((Offer("a"),)))).empty_table(), pa.Table.from_pylist(rows))

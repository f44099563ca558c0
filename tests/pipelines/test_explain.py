"""Explanations are what the files of a run say, no more."""

import json
from pathlib import Path

import pytest

from pipelines.explain import explain
from pipelines.failures import UnknownSubjectError
from schemas.durations import parse_instant


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
                "  2026-03-02T11:01:00.000Z  subscriber.running_out: no offer: cooldown",
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


def test_the_record_is_json(small_out: Path) -> None:
    record = json.loads(json.dumps(explain(str(small_out), "ann").record()))
    assert record.keys() == {"subject", "context", "members", "transitions", "decisions"}


@pytest.mark.parametrize("subject", ["nobody", "sme/ann"])
def test_who_is_not_there_is_told(small_out: Path, subject: str) -> None:
    with pytest.raises(UnknownSubjectError, match="tells nothing of"):
        explain(str(small_out), subject)

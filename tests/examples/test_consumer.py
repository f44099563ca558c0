"""The consumer does once what offers and withdrawals ask for, whatever comes again or first, and wherever it dies."""

import io
import json
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import fastavro.validation
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.consumer import consume
from examples.consumer.consume import Clock, Event
from examples.consumer.inbox import Inbox
from tests.examples.commands import REPOSITORY
from tests.transforms.decision.small_policies import HOUR, Offer, Policy, Trigger, batch_of, plan_of
from transforms.decision.decide import decide
from transforms.decision.offers import event_texts, offers_of

NOON = 1_767_614_400_000  # 2026-01-05T12:00:00Z
FAR = NOON + 10 * HOUR


def _events() -> list[dict[str, Any]]:
    """Return five offers as a run gives them, valid for an hour, each an hour after the one before."""
    plan = plan_of(Policy((Offer("a", send=("sms",)),)))
    triggers = [Trigger(subject=f"s{n}", tick=NOON + n * HOUR, x=n) for n in range(5)]
    decisions = decide(plan, None, [batch_of(triggers)], 2**52).decisions
    return [json.loads(text) for text in event_texts(offers_of(plan, decisions))]


MADE = _events()
WITHDRAWN = [event | {"type": "offer.withdrawn", "data": event["data"] | {"params": {}}} for event in MADE]


def lines(*events: dict[str, Any]) -> list[bytes]:
    return [json.dumps(event).encode() + b"\n" for event in events]


def run(
    path: Path | str, events: list[bytes], *, now: int = NOON, mode: str = "live", accept: float = 0.0
) -> Counter[str]:
    with closing(Inbox(Path(path))) as inbox:
        return consume.consume(events, inbox, mode=mode, clock=lambda _: now, accept=accept)


def kept(path: Path, folder: Path) -> tuple[dict[str, str | None], list[dict[str, Any]]]:
    """Return the state of each offer, and the contacts that are reported."""
    with closing(Inbox(path)) as inbox:
        inbox.write_reports("contact", folder / "contacts.jsonl")
        states = {event["id"]: inbox.state(event["id"]) for event in MADE}
    return states, [json.loads(line) for line in (folder / "contacts.jsonl").read_text().splitlines()]


def test_what_is_on_own_channels_is_shown_and_not_sent(tmp_path: Path) -> None:
    own = [event | {"data": event["data"] | {"channel": "inbound"}} for event in MADE[:2]]
    assert run(tmp_path / "db", lines(*own)) == {"shown": 2}
    states, contacts = kept(tmp_path / "db", tmp_path)
    assert (states[MADE[0]["id"]], contacts) == ("shown", [])
    assert run(tmp_path / "db", lines(own[0] | {"type": "offer.withdrawn"}), now=FAR) == {"withdrawn": 1}


def test_an_offer_is_shown_once(tmp_path: Path) -> None:
    assert run(tmp_path / "inbox", lines(MADE[0], MADE[0])) == {"shown": 1, "known": 1}
    assert run(tmp_path / "inbox", lines(MADE[0])) == {"known": 1}
    _, contacts = kept(tmp_path / "inbox", tmp_path)
    assert contacts == [
        {
            "id": f"{MADE[0]['id']}-sent",
            "source": "example-consumer",
            "time": NOON,
            "subject_kind": "subscriber",
            "subject": "s0",
            "decision_id": MADE[0]["id"],
            "offer": "a",
            "family": "f",
            "message": "marketing",
            "channel": "sms",
            "state": "sent",
            "reason": None,
        }
    ]


def test_a_customer_sees_what_is_valid_and_not_withdrawn(tmp_path: Path) -> None:
    run(tmp_path / "inbox", lines(MADE[0], MADE[1]))
    with closing(Inbox(tmp_path / "inbox")) as inbox:
        assert [data["params"] for data in inbox.shown("s0", NOON + HOUR - 1)] == [{"x": 0}]
        assert inbox.shown("s0", NOON + HOUR) == []
    assert run(tmp_path / "inbox", lines(WITHDRAWN[0], WITHDRAWN[0])) == {"withdrawn": 1, "known": 1}
    assert run(tmp_path / "inbox", lines(MADE[0])) == {"known": 1}
    with closing(Inbox(tmp_path / "inbox")) as inbox:
        assert inbox.shown("s0", NOON) == []
        assert len(inbox.shown("s1", NOON)) == 1


def test_a_withdrawal_may_come_first(tmp_path: Path) -> None:
    assert run(tmp_path / "inbox", lines(WITHDRAWN[0])) == {"barred": 1}
    assert kept(tmp_path / "inbox", tmp_path)[1] == []
    assert run(tmp_path / "inbox", lines(MADE[0], MADE[0], WITHDRAWN[0])) == {"kept_back": 1, "known": 2}
    states, (contact,) = kept(tmp_path / "inbox", tmp_path)
    assert states[MADE[0]["id"]] == "kept_back"
    assert (contact["state"], contact["reason"]) == ("failed", "withdrawn")


@pytest.mark.parametrize(("now", "state"), [(NOON + HOUR - 1, "shown"), (NOON + HOUR, "expired")])
def test_who_comes_too_late_is_not_shown(tmp_path: Path, now: int, state: str) -> None:
    assert run(tmp_path / "inbox", lines(MADE[0], WITHDRAWN[0]), now=now)[state] == 1
    _, (contact,) = kept(tmp_path / "inbox", tmp_path)
    told = {"shown": ("sent", None), "expired": ("failed", "expired")}
    assert (contact["state"], contact["reason"]) == told[state]


def test_only_what_is_asked_for_is_shown(tmp_path: Path) -> None:
    shadow = [event | {"mode": "shadow"} for event in (MADE[0], WITHDRAWN[1])]
    other = MADE[2] | {"type": "offer.thought_of", "colour": "blue"}
    assert run(tmp_path / "inbox", lines(*shadow, other)) == {"other_mode": 2, "other_type": 1}
    assert run(tmp_path / "inbox", lines(*shadow), mode="shadow") == {"shown": 1, "barred": 1}


def _without(name: str) -> dict[str, Any]:
    return MADE[0] | {"data": {key: value for key, value in MADE[0]["data"].items() if key != name}}


NO_EVENTS = [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b"9" * 5_000, b'{"data": 1}']
NO_EVENTS += lines(
    _without("family"), MADE[0] | {"id": 1}, MADE[0] | {"id": "\ud800"}, MADE[0] | {"time": "2026-01-05"}
)


@pytest.mark.parametrize("line", NO_EVENTS)
def test_what_is_no_event_costs_itself_only(tmp_path: Path, line: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "inbox", [*lines(MADE[0]), line, *lines(MADE[1])]) == {"shown": 2, "refused": 1}
    assert capsys.readouterr().err.startswith("line 2: no event of an offer")


class Killed(BaseException):
    """The process ends here."""


def _dying_at(calls: int) -> Clock:
    left = iter(range(calls))

    def now(_: Event) -> int:
        if next(left, None) is None:
            raise Killed
        return NOON

    return now


@pytest.mark.parametrize("calls", range(10))
def test_wherever_it_dies_its_successor_ends_where_it_would_have(
    tmp_path: Path, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consume, "BATCH", 3)
    events = lines(
        MADE[0], MADE[1], WITHDRAWN[0], WITHDRAWN[2], MADE[2], MADE[3], MADE[3], MADE[4], WITHDRAWN[1], MADE[0]
    )
    with closing(Inbox(tmp_path / "inbox")) as inbox, pytest.raises(Killed):
        consume.consume(events, inbox, mode="live", clock=_dying_at(calls), accept=1)
    counts = run(tmp_path / "inbox", events, accept=1)
    run(tmp_path / "whole", events, accept=1)
    assert kept(tmp_path / "inbox", tmp_path) == kept(tmp_path / "whole", tmp_path)
    assert counts["known"] == 2 + len([0, 1, 2, 3, 4, 5, 7, 8][: calls - calls % 3 - (calls >= 9)])


@settings(max_examples=30)
@given(order=st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=30), cut=st.integers(0, 30))
def test_order_repeats_and_restarts_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, order: list[tuple[bool, int]], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    events = lines(*((MADE if made else WITHDRAWN)[n] for made, n in order))
    run(folder / "inbox", events[:cut])
    run(folder / "inbox", events[cut:])
    states, contacts = kept(folder / "inbox", folder)
    for n, event in enumerate(MADE):
        made, withdrawn = (True, n) in order, (False, n) in order
        first = made and (not withdrawn or order.index((True, n)) < order.index((False, n)))
        sees = {(True, False): "shown", (True, True): "withdrawn" if first else "kept_back", (False, True): "barred"}
        assert states[event["id"]] == sees.get((made, withdrawn))
        told = [contact["state"] for contact in contacts if contact["decision_id"] == event["id"]]
        assert told == (["sent" if first else "failed"] if made else [])


def test_a_share_accepts_the_same_each_time(tmp_path: Path) -> None:
    ids = [f"{n:032x}" for n in range(1_000)]
    accepted = {share: {id_ for id_ in ids if consume.drawn(id_, share)} for share in (0.0, 0.2, 0.5, 1.0)}
    assert (len(accepted[0.0]), len(accepted[1.0])) == (0, 1_000)
    assert 150 < len(accepted[0.2]) < 250
    assert accepted[0.2] < accepted[0.5]


def test_its_reports_are_signals_as_the_contracts_say(tmp_path: Path) -> None:
    events = tmp_path / "offers.jsonl"
    events.write_bytes(b"".join(lines(*MADE, WITHDRAWN[0])))
    command = [sys.executable, "-m", "examples.consumer.consume", "--out", str(tmp_path / "app"), "--accept", "1"]
    for source in ([str(events), "--now", "2026-01-05T14:30:00+01:00"], [str(events), "--now", "event"], []):
        done = subprocess.run(
            [*command, *source], cwd=REPOSITORY, input=events.read_bytes(), capture_output=True, check=True
        )
        assert done.stderr == b""
    assert done.stdout.startswith(b"6 events: 6 known before\n")
    for signal, count in {"contact": 5, "outcome": 4}.items():
        contract = json.loads((REPOSITORY / "schemas" / "avro" / f"{signal}.avsc").read_text("utf-8"))
        rows = [json.loads(line) for line in (tmp_path / "app" / f"{signal}s.jsonl").read_text("utf-8").splitlines()]
        assert len(rows) == count
        names = {field["name"] for field in contract["fields"]}
        assert all(fastavro.validation.validate(row, contract) and row.keys() <= names for row in rows)


def test_two_take_turns(tmp_path: Path) -> None:
    with closing(Inbox(tmp_path / "inbox")) as one, closing(Inbox(tmp_path / "inbox")) as two:
        counts = Counter[str]()
        for inbox in (one, two):
            counts += consume.consume(
                io.BytesIO(b"".join(lines(*MADE))), inbox, mode="live", clock=lambda _: 0, accept=0
            )
    assert counts == {"shown": 5, "known": 5}

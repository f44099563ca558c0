"""Rejected records are given again after a fix: each once, with its attempt; what cannot be is told by reason."""

import json
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.replay_rejected import Again, judged, publish_again, read_rejected, write_again
from pipelines.run import run
from pipelines.settings import RunSettings
from schemas.addresses import parse_address
from schemas.contracts import contract
from schemas.sources import Source
from tests.pipelines.small import MIDNIGHT, PLAYBOOK
from transforms.parsing.raw import ATTEMPT, MAX_PAYLOAD, Rejection, rejected_batch
from transforms.sinks.kafka import KafkaTarget
from transforms.streams.feed import Feed, Message
from transforms.streams.messages import parse_messages

RAW = [
    *(
        {"id": f"u{n}", "at": MIDNIGHT + n * 60_000, "who": f"s{n % 3}", "mb": "12,5" if n % 4 else "7"}
        for n in range(12)
    ),
    {"id": "u12", "at": MIDNIGHT, "who": None, "mb": "9"},
]
MAP = 'usage: {{map: {{id: id, time: at, subject: who, mb: "{}"}}}}\n'


def _world(folder: Path) -> dict[str, Any]:
    (folder / "book.yaml").write_text(PLAYBOOK.replace("signals: [balance, usage]", "signals: [usage, balance]"))
    lines = [json.dumps(row) for row in RAW]
    (folder / "usage.jsonl").write_text("\n".join([*lines, '{"id": "torn']) + "\n")
    (folder / "bad.yaml").write_text(MAP.format("CAST(mb AS DOUBLE)"))
    (folder / "good.yaml").write_text(MAP.format("CAST(REPLACE(mb, ',', '.') AS DOUBLE)"))
    return {"playbook": str(folder / "book.yaml"), "as_of": MIDNIGHT + 86_400_000, "shards": 2}


def _again(folder: Path, out: str = "again", *more: str) -> str:
    given = [str(folder / out / "rejected.parquet") if out != "again" else str(folder / "out" / "rejected.parquet")]
    command = ["replay-rejected", *given, "--signals", f"usage={folder / 'usage.jsonl'}", *more]
    result = CliRunner().invoke(app, [*command, "--out", str(folder / "again")], terminal_width=200)
    assert result.exit_code == 0, result.output
    return result.output


def test_what_was_rejected_counts_after_the_map_is_mended(tmp_path: Path) -> None:
    world, usage = _world(tmp_path), ("usage", str(tmp_path / "usage.jsonl"))
    run(RunSettings(**world, signals=(usage,), sources=str(tmp_path / "bad.yaml"), out=str(tmp_path / "out")))
    told = _again(tmp_path)
    assert told.startswith("10 records are given again")
    assert "1 are not: no JSON object" in told
    files = sorted((tmp_path / "again").iterdir())
    assert _again(tmp_path) == told
    assert sorted((tmp_path / "again").iterdir()) == files
    signals = (usage, ("usage", str(tmp_path / "again" / "usage.*.jsonl")))
    mended = RunSettings(**world, signals=signals, sources=str(tmp_path / "good.yaml"), out=str(tmp_path / "mended"))
    counted = run(mended).signals
    assert (counted["applied"], counted["duplicates"], counted["rejected"]) == (12, 9, 3)
    rejected = pl.read_parquet(tmp_path / "mended" / "rejected.parquet")
    assert sorted(rejected.select("reason", "attempt").rows()) == [
        ("malformed_json", 1),
        ("missing_field", 1),
        ("missing_field", 2),
    ]
    feeds = {"usage": [parse_address(str(tmp_path / "again")), parse_address(str(tmp_path / "usage.jsonl"))]}
    again, left = judged(read_rejected([str(tmp_path / "mended" / "rejected.jsonl")]), feeds, 2)
    assert ([one.attempt for one in again], left) == ([2], {"torn": 1, "too_often": 1})


@pytest.mark.parametrize("ending", ["csv", "parquet", "avro", "jsonl"])
def test_what_was_too_far_ahead_counts_whatever_its_file_was(tmp_path: Path, ending: str) -> None:
    world, later = _world(tmp_path), MIDNIGHT + 7 * 86_400_000
    rows = pl.DataFrame({"id": ["u1", "u2"], "time": [later] * 2, "subject": ["s1", "s2"], "mb": [1.5, None]})
    write = {"csv": rows.write_csv, "parquet": rows.write_parquet, "avro": rows.write_avro, "jsonl": rows.write_ndjson}
    write[ending](tmp_path / f"ahead.{ending}")
    usage = str(tmp_path / f"ahead.{ending}")
    assert run(RunSettings(**world, signals=(("usage", usage),), out=str(tmp_path / "out"))).signals["rejected"] == 2
    feeds = {"usage": [parse_address(usage)]}
    again, left = judged(read_rejected([str(tmp_path / "out" / "rejected.parquet")]), feeds, 3)
    signals = (("usage", write_again(again, str(tmp_path / "again"), None)[0]),)
    counted = run(RunSettings(**world | {"as_of": later}, signals=signals, out=str(tmp_path / "later"))).signals
    assert (left, counted["applied"], counted["rejected"]) == ({}, 2, 0)


def _rejected(**of: Any) -> pl.DataFrame:
    told = {"source": "kafka://h:1/usage", "stage": "ParseSignals", "payload": b'{"a": 1}', "payload_length": 8}
    plain = {"position": "offset 1", "reason": "wrong", "message": "", "payload_hash": "x", "records": 1, "attempt": 1}
    return pl.DataFrame([told | plain | of])


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        ({"stage": "guard_offers"}, "of_another_stage"),
        ({"stage": "TrackContexts"}, "of_another_stage"),
        ({"source": "kafka://h:1/other"}, "of_no_feed"),
        ({"attempt": 3}, "too_often"),
        ({"payload": None}, "withheld"),
        ({"payload": None, "payload_length": MAX_PAYLOAD + 1}, "too_long"),
        ({"payload": b"a;b;c"}, "torn"),
        ({"payload": b"[1]"}, "torn"),
    ],
)
def test_what_cannot_be_given_again_is_told_by_reason(of: dict[str, Any], reason: str) -> None:
    again, left = judged(_rejected(**of), {"usage": [parse_address("kafka://h:1/usage?group=g")]}, 3)
    assert (again, left) == ([], {reason: 1})


@pytest.mark.parametrize(
    ("source", "signals"),
    [
        ("./usage.jsonl", "usage.jsonl"),
        ("usage.jsonl", "./usage.jsonl"),
        ("./usage.3.jsonl", "usage.*.jsonl"),
        ("./in/usage.jsonl", "in"),
        ("in/usage.jsonl", "./in/"),
        ("in [1]/usage [1].jsonl", "in [1]/usage [1].jsonl"),
        ("in [1]/usage.jsonl", "in [1]"),
    ],
)
def test_a_file_is_known_however_its_folder_was_named(source: str, signals: str) -> None:
    again, left = judged(_rejected(source=source), {"usage": [parse_address(signals)]}, 5)
    assert ([one.feed for one in again], left) == (["usage"], {})


def test_a_message_that_is_given_again_carries_its_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    class Sender:
        send = staticmethod(sent.append)
        flush = staticmethod(lambda: None)

    monkeypatch.setattr(KafkaTarget, "open", lambda _: Sender())
    again = [Again("usage", 2, b'{"id": 1}', "x"), Again("usage", 3, b"{", "y")]
    publish_again(again, {"usage": parse_address("kafka://h:1/usage")})
    assert [(one.texts, next(iter(one.attributes()))["attempt"]) for one in sent] == [
        ([b'{"id": 1}'], "2"),
        ([b"{"], "3"),
    ]
    kept = [Message(text, {"attempt": str(n).encode()}, "0", n, None) for n, text in ((2, b'{"id": 1}'), (3, b"{"))]
    feed = Feed(Source(contract("usage")), {}, "kafka://h:1/usage", "offset")
    blocks, rejected = parse_messages([*kept, Message(b'{"id": 2}', {}, "0", 4, None)], feed)
    assert [block.schema.metadata.get(ATTEMPT) for block in blocks] == [None, b"2"]
    assert [row["attempt"] for batch in rejected for row in batch.to_pylist()] == [3]


@pytest.mark.parametrize("format_", ["jsonl", "avro"])
def test_a_message_that_is_given_again_is_json_of_any_types(format_: Literal["jsonl", "avro"]) -> None:
    types = {"id": pa.string(), "mb": pa.float64()}
    feed = Feed(Source(contract("usage")), types, "kafka://h:1/usage", "offset", format=format_)
    again = Message(b'{"id": 7, "mb": "1.50"}', {"attempt": b"2"}, "0", 4, None)
    (block,), rejected = parse_messages([again], feed)
    assert (block.select(["id", "mb"]).to_pylist(), rejected) == ([{"id": "7", "mb": 1.5}], [])


@pytest.mark.parametrize(("source", "attempt"), [("a/usage.f00.attempt-4.jsonl", 4), ("a/usage.jsonl", 1)])
def test_a_file_that_is_given_again_tells_its_attempt(source: str, attempt: int) -> None:
    batch = rejected_batch(source, "ReadSignals", [Rejection.of("line 1", "torn", "", b"")])
    assert batch["attempt"].to_pylist() == [attempt]

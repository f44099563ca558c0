"""Files as strangers have them: each is read right, or refused with what to do; nothing is lost or half read."""

import gzip
import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.durations import parse_instant
from schemas.errors import LoadErrors
from tests.transforms.parsing import avro_files
from tests.transforms.signals_run import Outcome, run_signals
from transforms.parsing import files
from transforms.shell.pseudonym_key import KEY_VARIABLE

packed = partial(gzip.compress, mtime=0)
NOW = parse_instant("2026-12-01T00:00:00Z")
HEAD = b"id,time,subject,kind,mb\n"
ROWS = b"1,2026-03-02T08:00:00+02:00,a,data,1.5\n2,2026-03-02T08:05:00+02:00,b,voice,2.5\n"
GOOD = HEAD + ROWS
MAP = {"id": "id", "time": "time", "subject": "subject", "mb": "mb"}
JSON = b'{"id": "1", "time": "2026-03-02T08:00:00Z", "subject": "a", "mb": 1.5}\n'


def _run(tmp_path: Path, contents: dict[str, bytes], **config: Any) -> Outcome:
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    outcome = run_signals([tmp_path / name for name in contents], as_of=NOW, **config)
    assert outcome.counts.get("in", 0) == outcome.counts.get("parsed", 0) + outcome.counts.get("rejected", 0)
    return outcome


@pytest.mark.parametrize(
    ("name", "content", "config"),
    [
        ("A.CSV", GOOD, {}),
        ("A.Csv.GZ", packed(GOOD), {}),
        ("a.csv", b"\xef\xbb\xbf" + GOOD, {}),
        ("a.csv", b"\n\r\n" + GOOD.replace(b"\n", b"\r\n") + b"\n\n", {}),
        ("a.csv", b" id , time,subject ,kind, mb \n" + ROWS, {}),
        ("a.csv", ROWS, {"header": ["id", "time", "subject", "kind", "mb"]}),
        ("a.csv", b'"id","time","sub\nject","kind","mb"\n' + ROWS, {"map": MAP | {"subject": '"sub\nject"'}}),
        ("a.csv", GOOD[:-1], {}),
        ("a.csv", HEAD[:-1] + b"," + b"x" * 300_000 + b"\n" + ROWS.replace(b"5\n", b"5,\n"), {}),
        ("a.csv", GOOD.replace(b"data", b"d" * 4_000).replace(b"\n", b"," + b"y" * 200_000 + b"\n"), {}),
        ("a.csv.gz", packed(GOOD) + bytes(100_000), {}),
        ("a.csv.gz", packed(HEAD) + bytes(3) + packed(ROWS) + bytes(3), {}),
    ],
)
def test_read_right(tmp_path: Path, name: str, content: bytes, config: dict[str, Any]) -> None:
    outcome = _run(tmp_path, {name: content}, **config)
    assert (outcome.ids(), outcome.rejected) == (["1", "2"], [])


@pytest.mark.parametrize("content", [b"", HEAD, b"\n\n", b"\xef\xbb\xbf"])
def test_nothing_in_it(tmp_path: Path, content: bytes) -> None:
    assert _run(tmp_path, {"a.csv": content}).counts == {}


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (HEAD.replace(b"kind", b"Gr\xfc\xdfe") + ROWS, "the header, is not UTF-8: save it as UTF-8"),
        ("﻿".encode("utf-16") + GOOD.decode().encode("utf-16-le"), "it is UTF-16: save it as UTF-8"),
        (GOOD.decode().encode("utf-16-le"), "is not UTF-8"),
        (GOOD.replace(b"\n", b"\r"), "carriage returns alone"),
        (GOOD.replace(b"\n", b"\r") + b"\n", "carriage returns alone"),
        (b"id," + b"x" * (1 << 20) + b"\n" + ROWS, "is longer than 1048576 bytes"),
        (b'id,"time\n' + ROWS, "a quote that is not closed"),
        (packed(GOOD), "packed by gzip: let its name end in .gz"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_file_without_a_readable_header_is_refused_whole(tmp_path: Path, bad: bytes, told: str, first: bool) -> None:
    names = ("a.csv", "b.csv") if first else ("b.csv", "a.csv")
    outcome = _run(tmp_path, dict(sorted(zip(names, (bad, GOOD), strict=True))))
    assert outcome.ids() == ["1", "2"]
    (row,) = outcome.rejected
    assert (row["source"], row["reason"], row["records"]) == (str(tmp_path / names[0]), "unreadable_file", None)
    assert told in row["message"]


@pytest.mark.parametrize(
    ("name", "bad", "config", "told"),
    [
        ("csv", GOOD.replace(b"mb", b"MB"), {}, "no column `mb`.*`MB` for `mb`: rename it"),
        ("csv", GOOD.replace(b"mb", b"MB"), {"map": MAP}, "no column `mb`, which the map.*`MB` for `mb`"),
        ("csv", GOOD.replace(b"mb", b"volume"), {"map": MAP}, "no column `mb`, which the map of sources.yaml reads"),
        (
            "csv",
            GOOD.replace(b"mb", "ma\u0308rä".encode()),
            {"map": MAP | {"mb": "m\u00e4rä"}},
            "no column.*`ma\u0308rä` for `m\u00e4rä`",
        ),
        ("csv", GOOD.replace(b",", b";"), {}, "no column `id`, `time`, `subject`.*delimited by `;`: say `delimiter"),
        ("csv", ROWS, {}, "no column `id`, `time`, `subject`.*name the columns of a file without one, as `header"),
        ("csv", b"Report of 2026\n\n" + GOOD, {}, "no column `id`.*remove what stands before the header"),
        ("csv", GOOD.replace(b"kind", b"time"), {}, "two columns `time`"),
        ("csv", GOOD.replace(b"time", b"tiem"), {}, "no column `time`, which every signal needs\n.*`tiem`"),
        ("csv", GOOD, {"columns": {"byts": "double"}}, "no column `byts`, which `usage.columns` gives a type"),
        ("jsonl", JSON.replace(b"mb", b"MB"), {"map": MAP}, "no column `mb`.*`MB` for `mb`"),
        ("jsonl", JSON.replace(b"mb", b"MB"), {}, "no column `mb`.*`MB` for `mb`"),
        ("jsonl", JSON.replace(b'"a"', b'{"nr": "a"}'), {"map": MAP | {"subject": "subject.nr"}}, "holds an object"),
    ],
)
@pytest.mark.parametrize("first", ["a", "c"])
def test_a_file_of_another_shape_is_refused_wherever_it_comes(
    tmp_path: Path, name: str, bad: bytes, config: dict[str, Any], told: str, first: str
) -> None:
    with pytest.raises(LoadErrors, match=f"(?s){first}.{name}: .*{told}") as refused:
        _run(tmp_path, {f"{first}.{name}": bad, f"b.{name}": GOOD if name == "csv" else JSON}, **config)
    assert "+02:00" not in str(refused.value)


@pytest.mark.parametrize("ending", ["parquet", "avro"])
def test_objects_within_records_are_told_as_those_of_json(tmp_path: Path, ending: str) -> None:
    pq.write_table(pa.table({"id": ["1"], "time": [1772438400000], "who": [{"nr": "a"}]}), sink := io.BytesIO())
    who = {"type": "record", "name": "who", "fields": [{"name": "nr", "type": "string"}]}
    fields = {"id": "string", "time": "long", "who": who}.items()
    schema = {"type": "record", "name": "raw", "fields": [{"name": name, "type": kind} for name, kind in fields]}
    content = sink.getvalue() if ending == "parquet" else avro_files.header(schema)
    with pytest.raises(LoadErrors, match="`who` holds an object, and signals are flat"):
        _run(tmp_path, {f"a.{ending}": content}, map=MAP | {"subject": "who.nr"})


NAMES = (
    *(f"@{name}" for name in ("position", "published", "partition", "traceparent", "file", "attempt", "id")),
    *("position", "*", "^i.*$", "{}", "größe €", "a.b"),
)
QUOTED = ('size "MB"', "a\\b", "line\nfeed", "t\tab", 'größe "MB"')


def _csv(name: str) -> bytes:
    quoted = name.replace('"', '""')
    return f'id,time,subject,"{quoted}"\n1,1772438400000,a,3.5\n2,1772438400000,b,4.5\n'.encode()


def _jsonl(name: str) -> bytes:
    rows = [{"id": "1", "time": 1772438400000, "subject": "a", name: 3.5}]
    rows += [{"id": "2", "time": 1772438400000, "subject": "b", name: 4.5}]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _parquet(name: str) -> bytes:
    table = {"id": ["1", "2"], "time": [1772438400000] * 2, "subject": ["a", "b"], name: [3.5, 4.5]}
    pq.write_table(pa.table(table), sink := io.BytesIO())
    return sink.getvalue()


def _avro(name: str) -> bytes:
    fields = {"id": "string", "time": "long", "subject": "string", name: "double"}
    schema = {"type": "record", "name": "raw", "fields": [{"name": key, "type": fields[key]} for key in fields]}
    rows = [{"id": id_, "time": 1772438400000, "subject": "a", name: n} for id_, n in (("1", 3.5), ("2", 4.5))]
    return avro_files.header(schema) + avro_files.block(2, avro_files.records(rows, schema))


@pytest.mark.parametrize("name", [*NAMES, *QUOTED])
@pytest.mark.parametrize(
    ("ending", "written"), [("csv", _csv), ("jsonl", _jsonl), ("parquet", _parquet), ("avro", _avro)]
)
def test_a_column_of_any_name_is_read(tmp_path: Path, name: str, ending: str, written: Callable[[str], bytes]) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    outcome = _run(tmp_path, {f"a.{ending}": written(name)}, map=MAP | {"mb": quoted})
    assert sorted((row["id"], row["mb"]) for _, row in outcome.signals) == [("1", 3.5), ("2", 4.5)]
    assert outcome.rejected == []


@pytest.mark.parametrize("name", [*NAMES, *QUOTED])
def test_a_bad_line_beside_a_key_of_any_name_is_rejected_alone(tmp_path: Path, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    outcome = _run(tmp_path, {"a.jsonl": _jsonl(name) + b"{oops\n"}, map=MAP | {"mb": quoted})
    assert sorted(row["mb"] for _, row in outcome.signals) == [3.5, 4.5]
    assert outcome.reasons() == [("line 3", "malformed_json")]


def test_older_files_may_lack_what_no_map_reads(tmp_path: Path) -> None:
    outcome = _run(tmp_path, {"a.csv": b"id,time,subject\n3,2026-03-02T08:00:00Z,c\n", "b.csv": GOOD})
    assert (outcome.ids(), outcome.rejected) == (["1", "2", "3"], [])


@pytest.mark.parametrize("size", [1 << 26, 16])
@pytest.mark.parametrize(
    ("rows", "ids", "bad"),
    [
        (b'"Main street 1\nHelsinki",1,2026-03-02T08:00:00Z,a\n"x",2,2026-03-02T08:00:00Z,b\n', ["1", "2"], []),
        (b'"a\n",9,2026-03-02T08:00:00Z\n",1,2026-03-02T08:00:00Z,a\n,2,2026-03-02T08:00:00Z,b\n', ["2"], [2, 4]),
        (b'"x,1,2026-03-02T08:00:00Z,a\ny,2,2026-03-02T08:00:00Z,b\n', ["2"], [2]),
        (b'"x,,,\n"y,9,2026-03-02T08:00:00Z,"\n,1,2026-03-02T08:00:00Z,a\n', ["1"], [2, 3]),
        (b"TOTAL,2\n# 2 records\nTotal;;;\n,1,2026-03-02T08:00:00Z,a\n", ["1"], [2, 3, 4]),
    ],
)
def test_a_quoted_line_break_is_never_half_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: bytes, ids: list[str], bad: list[int], size: int
) -> None:
    monkeypatch.setattr(files, "SPLIT_BYTES", size)
    data = b"kind,id,time,subject\n" + rows
    outcome = _run(tmp_path, {"a.csv": data})
    assert outcome.ids() == ids
    starts = [0, *(at + 1 for at, byte in enumerate(data) if byte == ord("\n"))]
    places = {f"line {line}" for line in bad} | {f"byte {starts[line - 1]}" for line in bad}
    assert len(outcome.rejected) == len(bad)
    assert {row["position"] for row in outcome.rejected} <= places
    assert {row["reason"] for row in outcome.rejected} <= {"malformed_csv"}


@pytest.mark.parametrize("cut", [1, 9, 200])
def test_what_came_before_a_cut_is_read(tmp_path: Path, cut: int) -> None:
    rows = [b"%d,2026-03-02T08:00:00Z,s%d,data,1\n" % (i, i * i) for i in range(500)]
    cut_off = packed(HEAD + b"".join(rows))[:-cut]
    outcome = _run(tmp_path, {"a.csv.gz": cut_off})
    assert len(outcome.ids()) > (498 if cut < 10 else 300)
    (row,) = outcome.rejected
    assert (row["reason"], row["records"]) == ("torn_stream", None)
    assert "breaks off or is damaged" in row["message"]


def test_a_cut_within_an_endless_line(tmp_path: Path) -> None:
    cut_off = packed(GOOD + b"3,2026-03-02T08:00:00Z,c,data," + b"1" * 30_000_000)[:-20]
    outcome = _run(tmp_path, {"a.csv.gz": cut_off})
    assert outcome.ids() == ["1", "2"]
    assert sorted(row["reason"] for row in outcome.rejected) == ["oversize_record", "torn_stream"]


CANARIES = ("0407654321", "CANARY")
LEAKS = {
    "a.csv": HEAD
    + ROWS
    + b"3,2026-03-02T08:00:00Z,0407654321,data,1,5\n4,x,0407654321,CANARY,1\n5,,0407654321,,CANARY\n",
    "b.csv": HEAD
    + b'6,2026-03-02T08:00:00Z,0407654321,"CANARY,1\n7,\xff,0407654321,CANARY,1\n8,1,0407654321,CANARY,1\n',
    "c.jsonl": JSON
    + b'{"id": 2, "subject": "0407654321"}\n{"id": "3", "time": "CANARY", "subject": "0407654321"}\n{"CANARY": \n',
    "d.jsonl": b'{"id": "4", "time": 5, "subject": "0407654321", "subject_kind": "CANARY"}\n["0407654321"]\n',
    "e.csv.gz": packed(HEAD + b"9,2026-03-02T08:00:00Z,0407654321,CANARY,1" * 100)[:-9],
    "f.csv": b"0407654321,CANARY\xff\n" + ROWS,
}


def test_who_is_hidden_is_nowhere_in_what_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "k" * 16)
    outcome = _run(tmp_path, LEAKS, pseudonymise=["subject", "kind"])
    assert len(outcome.rejected) == 12
    assert {row["payload"] for row in outcome.rejected} == {None}
    assert not any(canary in str(outcome.rejected) for canary in CANARIES)
    assert all(len(row["payload_hash"]) == 32 for row in outcome.rejected)


@pytest.mark.parametrize("content", [b"0407654321,CANARY,x\n" + ROWS, b"CANARY,x,y\n" + ROWS, b"CANARY;x\n" + ROWS])
def test_who_is_hidden_is_in_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "k" * 16)
    for config in ({}, {"map": MAP}):
        with pytest.raises(LoadErrors, match="no column") as refused:
            _run(tmp_path, {"a.csv": content}, pseudonymise=["subject"], **config)
        assert not any(canary in str(refused.value) for canary in CANARIES)

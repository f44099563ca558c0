"""A source that pseudonymises leaves nothing raw, in no output, message or log, whatever is rejected and where."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import fastavro
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from transforms.shell.pseudonym_key import KEY_VARIABLE

CANARY = "canary4711"
HOUR = 3_600_000
MIDNIGHT = 1_772_409_600_000

PLAYBOOK = """\
playbook: hiding
signals: [usage]
subscriber:
  features:
    n: {count: any, from: usage, window: 1h}
    peer: {last: peer, from: usage}
  segments: {heavy: {enter: n >= 1, exit: n < 1}}
  moments: {m: {when: n >= 2}}
offers:
  o: {for: subscriber.m, family: f, owner: us, value: 4, p_accept: 0.2, send: app, valid_for: 6h, params: {peer: peer}}
"""
SOURCES = """\
usage:
  pseudonymise: [subject, peer]
  map: {id: id, source: source, time: at, subject: who, mb: CAST(volume AS DOUBLE), peer: other}
"""

Row = dict[str, Any]


def _rows() -> list[Row]:
    """Return good rows, and rows that `ParseSignals` refuses for every reason: the mark is in all that is hidden."""
    good = [{"id": str(n), "at": _time(n), "volume": "1.5", "other": f"{CANARY}p{n}"} for n in range(4)]
    bad = [
        {"at": f"yesterday {CANARY}"},
        {"at": CANARY},
        {"at": "2126-01-01T00:00:00Z"},
        {"at": None},
        {"volume": CANARY},
        {"volume": "1e300"},
        {"volume": f"-1 {CANARY}"},
        {"id": None},
        {"id": CANARY * 1_000},
        {"who": CANARY * 1_000},
        {"who": None, "other": CANARY},
        {"who": "", "other": CANARY},
    ]
    plain = {"id": "b", "at": _time(9), "volume": "1", "other": CANARY}
    return [{"source": "s", "who": f"{CANARY}s", **row} for row in (*good, *({**plain, **one} for one in bad))]


def _time(hour: int) -> str:
    return f"2026-03-02T0{hour}:00:00Z"


def _as_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write rows, and lines that are no rows: too many fields, too few, too long, an open quote, bad bytes."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [*rows[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    broken = [f"{CANARY},{CANARY},{CANARY},x,y,z,too,many,{CANARY}", CANARY, f"s,{CANARY}" + "x" * (1 << 21)]
    text = stream.getvalue() + "\n".join([*broken, f's,{CANARY},"\x00', f's,"{CANARY}']) + "\n"
    path.write_bytes(text.encode() + f"s,{CANARY},".encode() + b"\xff\xfe\n")


def _as_jsonl(path: Path, rows: Sequence[Row]) -> None:
    """Write rows, and lines that are no rows."""
    lines = [json.dumps(row).encode() for row in rows]
    broken = [
        f'{{"who": "{CANARY}",}}',
        f'["{CANARY}"]',
        CANARY,
        f'{{"who": {{"{CANARY}": 1}}}}',
        f'{{"who": "{CANARY}", "at": NaN}}',
        f'{{"who": "{CANARY}{"x" * (1 << 21)}"}}',
        f'{{"who": "{CANARY}", "{CANARY}": "\\ud800"}}',
    ]
    path.write_bytes(b"\n".join([*lines, *map(str.encode, broken), b'{"who": "' + CANARY.encode() + b'\xff"}\n']))


def _as_parquet(path: Path, rows: Sequence[Row]) -> None:
    pq.write_table(pa.Table.from_pylist([*rows]), path, row_group_size=4)


def _as_avro(path: Path, rows: Sequence[Row]) -> None:
    fields = [{"name": name, "type": ["null", "string"]} for name in rows[0]]
    with path.open("wb") as stream:
        fastavro.writer(stream, {"type": "record", "name": "r", "fields": fields}, rows, sync_interval=400)
    path.write_bytes(path.read_bytes()[:-30])


def _as_nothing(path: Path, rows: Sequence[Row]) -> None:
    path.write_text(f"{CANARY} is no file of this kind,{CANARY}\n{CANARY},{len(rows)}\n")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch, logging_restored: None) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "k" * 32)


def _said(out: Path) -> Iterator[tuple[str, str]]:
    """Yield all that files say, by name; payloads, base64 in JSON, are read from Parquet."""
    for path in sorted(out.rglob("*")):
        if path.suffix == ".parquet":
            yield path.name, repr(pl.read_parquet(path).to_dicts())
        elif path.suffix == ".avro":
            with path.open("rb") as stream:
                yield path.name, repr([*fastavro.reader(stream)])
        elif path.is_file():
            yield path.name, path.read_text("utf-8", "replace")


@pytest.mark.parametrize(
    ("ending", "write"),
    [
        ("csv", _as_csv),
        ("jsonl", _as_jsonl),
        ("parquet", _as_parquet),
        ("avro", _as_avro),
        *((ending, _as_nothing) for ending in ("csv", "jsonl", "parquet", "avro", "csv.gz")),
    ],
)
def test_nothing_raw_is_left(tmp_path: Path, ending: str, write: Callable[[Path, Sequence[Row]], None]) -> None:
    (tmp_path / "playbook.yaml").write_text(PLAYBOOK)
    (tmp_path / "sources.yaml").write_text(SOURCES)
    write(tmp_path / f"usage.{ending}", _rows())
    given = [
        f"{tmp_path}/playbook.yaml",
        f"--signals=usage={tmp_path}/usage.{ending}",
        f"--sources={tmp_path}/sources.yaml",
    ]
    for command in (
        ("run", f"--out={tmp_path}/out"),
        ("preview",),
        ("run", f"--out={tmp_path}/few", "--max-rejected=0"),
    ):
        done = CliRunner().invoke(
            app, ["--log-level=info", command[0], *given, *command[1:], "--as-of=2026-03-03T00:00:00Z"]
        )
        assert done.exit_code in (0, 1, 3), done.output
        assert CANARY not in done.stdout + done.stderr
    told = [*_said(tmp_path / "out"), *_said(tmp_path / "few")]
    assert [name for name, text in told if CANARY in text] == []
    assert write is _as_nothing or "run.json" in dict(told)

"""A process that runs every playbook over the same signals: `python -m` this, a directory, shards and files."""

import json
import locale
import random
import re
import sys
from pathlib import Path
from typing import Any

from pipelines.run import run
from pipelines.settings import RunSettings
from tests.pipelines.sameness.playbooks import PLAYBOOKS

START, HOUR = 1_772_755_200_000, 3_600_000  # 2026-03-06, two days before clocks go forward in Los Angeles
END = START + 96 * HOUR

Row = dict[str, Any]


def signals() -> dict[str, list[Row]]:
    """Return signals of two dozen subscribers over four days, copies and ties of time among them."""
    draw = random.Random(7)
    made: dict[str, list[Row]] = {
        "usage": [_usage(draw, number) for number in range(600)],
        "order": [_order(draw, number) for number in range(120)],
        "profile": [_profile(draw, number) for number in range(60)],
        "membership": [_membership(draw, number) for number in range(40)],
    }
    made["usage"] += [dict(draw.choice(made["usage"])) for _ in range(30)]
    return made


def write(directory: Path, files: int) -> tuple[tuple[str, str], ...]:
    """Write the signals into so many files a type; return what `RunSettings` needs."""
    for name, rows in signals().items():
        for number in range(files):
            lines = (json.dumps(row) + "\n" for row in rows[number::files])
            (directory / f"{name}-{number}.jsonl").write_text("".join(lines), "utf-8")
    return tuple((name, str(directory / f"{name}-*.jsonl")) for name in signals())


def main(out: Path, shards: int, files: int) -> None:
    """Run every playbook."""
    locale.setlocale(locale.LC_ALL, "")
    out.mkdir(parents=True)
    given = dict(write(out, files))
    for name, text in PLAYBOOKS.items():
        file = out / f"{name}.yaml"
        file.write_text(text, "utf-8")
        mine = re.search(r"^signals: \[(.*)\]$", text, re.MULTILINE)
        assert mine
        read = tuple((signal, given[signal]) for signal in mine[1].split(", "))
        options: dict[str, Any] = {"as_of": END, "shards": shards, "formats": ("parquet", "jsonl")}
        run(RunSettings(playbook=str(file), signals=read, out=str(out / name), **options))


def _time(draw: random.Random) -> int:
    return START + draw.randrange(0, 96 * 60, 2) * 60_000 + draw.choice([0, 0, 1, 30_500])


def _usage(draw: random.Random, number: int) -> Row:
    return {
        "id": f"u{number}",
        "source": draw.choice(["net", "roam", "ærø"]),
        "time": _time(draw),
        "subject": f"s{int(24 * draw.random() ** 2)}",
        "bytes": draw.choice([draw.randrange(5000), 49, 98, 10**15]) if draw.random() < 0.9 else None,
        "mb": draw.choice([draw.random() * 40, 69.9, 0.1, 4.9]),
        "amount": draw.choice([0.1, 0.7, 69.9, 12.34, None]),
        "app": draw.choice(["video", "mail", "Åben", None]),
        "peer": draw.choice("abcdefgh"),
    }


def _order(draw: random.Random, number: int) -> Row:
    return {
        "id": f"o{number}",
        "time": _time(draw),
        "subject": f"s{draw.randrange(24)}",
        "order_id": f"n{draw.randrange(40)}",
        "state": draw.choice(["open", "open", "done"]),
        "product": draw.choice(["phone", "cable"]),
        "amount": draw.choice([19.99, 5.0, 0.3]),
    }


def _profile(draw: random.Random, number: int) -> Row:
    return {
        "id": f"p{number}",
        "time": START + draw.randrange(48) * HOUR,
        "subject": f"s{draw.randrange(24)}",
        "tariff": draw.choice(["a", "b", "c"]),
        "contract_end": draw.choice(
            ["2026-03-08", "2026-03-09", "2026-03-11", "9999-12-31", "0000-01-01", "soon", None]
        ),
    }


def _membership(draw: random.Random, number: int) -> Row:
    return {
        "id": f"m{number}",
        "time": START + draw.randrange(60) * HOUR,
        "subject": f"s{draw.randrange(24)}",
        "group_kind": "household",
        "group": f"h{draw.randrange(5)}",
        "state": draw.choice(["joined", "joined", "left"]),
        "role": draw.choice(["primary", "member", None]),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

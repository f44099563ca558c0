"""What customers see of the offers, and what is to be reported of it: a SQLite file, changed in whole transactions."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TABLES = """
CREATE TABLE IF NOT EXISTS offers (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, recipient TEXT NOT NULL, valid_until INTEGER NOT NULL, data TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS outbox (
    signal TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (signal, id)
);
"""
PUT = """
INSERT INTO offers VALUES (:id, :state, :recipient, :valid_until, :data)
ON CONFLICT (id) DO UPDATE SET state = excluded.state
"""


class Inbox:
    """Offers by id, and the signals about them.

    An app shows a customer the offers whose state is `shown` and whose `valid_until` (milliseconds) is ahead. What is
    done within `with inbox:` is done as a whole or not at all, whatever becomes of this process, by one at a time.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=60)  # seconds that another may take
        self._db.executescript(TABLES)

    def __enter__(self) -> "Inbox":
        self._db.execute("BEGIN IMMEDIATE")
        return self

    def __exit__(self, error: object, *_: object) -> None:
        self._db.execute("COMMIT" if error is None else "ROLLBACK")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def state(self, id_: str) -> str | None:
        """Return what became of an offer so far; None: nothing is known of it."""
        found = self._db.execute("SELECT state FROM offers WHERE id = ?", (id_,)).fetchone()
        return None if found is None else str(found[0])

    def put(self, id_: str, state: str, valid_until: int, data: Mapping[str, Any]) -> None:
        """Keep an offer in a state; what it says stays as it came first."""
        row = {"id": id_, "state": state, "recipient": data["recipient"], "valid_until": valid_until}
        self._db.execute(PUT, row | {"data": json.dumps(data)})

    def forget(self, before: int) -> None:
        """Forget the offers that were valid until before an instant: none of these comes again."""
        self._db.execute("DELETE FROM offers WHERE valid_until < ?", (before,))

    def report(self, signals: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Keep signals, each with its type, to be reported; those that are kept already stay."""
        rows = [(signal, body["id"], json.dumps(body)) for signal, body in signals]
        self._db.executemany("INSERT OR IGNORE INTO outbox VALUES (?, ?, ?)", rows)

    def shown(self, recipient: str, now: int) -> list[dict[str, Any]]:
        """Return what a customer is offered now."""
        query = "SELECT data FROM offers WHERE recipient = ? AND state = 'shown' AND valid_until > ? ORDER BY rowid"
        return [json.loads(data) for (data,) in self._db.execute(query, (recipient, now))]

    def write_reports(self, signal: str, path: Path) -> int:
        """Write all signals of a type ever reported, in place of the file before, and return how many."""
        bodies = self._db.execute("SELECT body FROM outbox WHERE signal = ? ORDER BY rowid", (signal,)).fetchall()
        partial = path.with_suffix(".partial")
        partial.write_text("".join(f"{body}\n" for (body,) in bodies), "utf-8")
        partial.replace(path)
        return len(bodies)

"""How long a playbook of many definitions takes over a few signals: to validate, and to run.

python -m benchmarks.wide_playbook
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure
from benchmarks.measure import Measured

SIGNALS, SUBSCRIBERS = 60, 6
VALIDATE_SECONDS, RUN_SECONDS = 5, 10
AGGREGATES = ("count: any", "sum: bytes", "max: bytes", "distinct: app")


@dataclass(frozen=True)
class Width:
    """How much a playbook defines."""

    features: int
    segments: int
    offers: int
    values: int

    def __str__(self) -> str:
        """Return it in words."""
        told = f"{self.features} features, {self.segments} segments, {self.offers} offers"
        return f"{told}, an IN of {self.values:,}, {SIGNALS} signals"


MAIN, SMALLEST = Width(500, 100, 200, 1_000), Width(20, 5, 10, 40)


@dataclass(frozen=True)
class WideCost:
    """What such a playbook costs."""

    width: Width
    validate: Measured
    run: Measured


def cost(width: Width) -> WideCost:
    """Write the playbook and the signals, and measure both commands, from start to exit."""
    with tempfile.TemporaryDirectory() as folder:
        book, signals, out = (Path(folder) / name for name in ("wide.yaml", "usage.jsonl", "out"))
        book.write_text(playbook(width), encoding="utf-8")
        signals.write_text("".join(map(_signal, range(SIGNALS))), encoding="utf-8")
        validate = ["validate", str(book)]
        run = ["run", str(book), "--signals", f"usage={signals}", "--out", str(out)]
        return WideCost(width, *(measure.run([sys.executable, "-m", "pipelines", *each]) for each in (validate, run)))


def playbook(width: Width) -> str:
    """Return the playbook."""
    values = ", ".join(map(str, range(width.values)))
    lines = ["playbook: wide", "signals: [usage]", "subscriber:", "  features:"]
    for n in range(width.features):
        lines.append(f"    f{n}: {{{AGGREGATES[n % len(AGGREGATES)]}, from: usage, window: {n % 60 + 1}m}}")
    lines += [f'  derived: {{hot: {{expr: "f0 IN ({values})"}}}}', "  moments: {heated: {when: hot}}", "  segments:"]
    lines += [f"    s{n}: {{enter: f{n * len(AGGREGATES) % width.features} > {n % 7}}}" for n in range(width.segments)]
    lines.append("offers:")
    for n in range(width.offers):
        segment, feature = n % width.segments, n % width.features
        lines.append(f"  o{n}: {{for: [subscriber.s{segment}, subscriber.heated], family: f, owner: o, send: app,")
        lines.append(f"    value: {n} + f{feature}, p_accept: 0.1, valid_for: 1h, params: {{n: f{feature}}}}}")
    return "\n".join(lines) + "\n"


def _signal(n: int) -> str:
    known = {"id": str(n), "source": "s", "time": f"2026-03-02T10:{n:02d}:00Z", "subject": f"c{n % SUBSCRIBERS}"}
    return json.dumps(known | {"app": f"a{n % 5}", "bytes": n * 1_000}) + "\n"


if __name__ == "__main__":
    print(cost(MAIN))

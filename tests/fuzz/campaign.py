"""The kinds of cases, one trial of one, and what many came to."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from tests.fuzz.arrow import parquet, torn_parquet, typed_parquet
from tests.fuzz.case import Case
from tests.fuzz.containers import avro, broken_avro
from tests.fuzz.judge import Verdict, judged
from tests.fuzz.neighbours import neighbour
from tests.fuzz.texts import lines, nasty_lines, packed_lines

KINDS: Mapping[str, Callable[[Random], Case]] = {
    made.__name__: made
    for made in (parquet, typed_parquet, torn_parquet, avro, broken_avro, lines, nasty_lines, packed_lines)
}

_COUNTED = ("cases", "broken", "refused", "read", "accepted", "rejected")


def trial(kind: str, seed: int) -> Verdict:
    """Return how the case of a seed is read beside a good file."""
    rng = Random(f"{kind} {seed}")
    case = KINDS[kind](rng)
    return judged(case, neighbour(rng, case.config), small=rng.random() < 0.2)


@dataclass
class Tally:
    """What the cases of each kind came to."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, kind: str, verdict: Verdict) -> None:
        """Count a case."""
        one = self.counts.setdefault(kind, Counter())
        one.update(cases=1, broken=bool(verdict.wrong), refused=verdict.refused)
        one.update(read=bool(verdict.accepted), accepted=verdict.accepted, rejected=verdict.rejected)

    @property
    def broken(self) -> int:
        """How many cases broke something."""
        return sum(one["broken"] for one in self.counts.values())

    def lines(self) -> Iterator[str]:
        """Yield a table: of each kind its cases, how many were refused or gave signals, rows and share accepted."""
        yield " ".join(["kind".ljust(14), *(name.rjust(9) for name in _COUNTED), "    share"])
        for kind, one in sorted(self.counts.items()):
            share = one["accepted"] / max(one["accepted"] + one["rejected"], 1)
            yield " ".join([kind.ljust(14), *(f"{one[name]:9,}" for name in _COUNTED), f"{share:9.0%}"])

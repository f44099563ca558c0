"""sources.yaml: what it may say, and every mistake with its line."""

from typing import Any

import pytest

from schemas.contracts import SIGNALS, contract
from schemas.errors import LoadErrors
from schemas.sources import Source, parse_sources
from schemas.yaml_source import parse_yaml

CONTRACTS = {name: contract(name) for name in SIGNALS}
EXAMPLE = """
usage:
  format: csv
  map: {id: null, time: from_epoch_s(start), subject: msisdn, kind: "'data'", mb: (up_bytes + down_bytes) / 1048576.0}
  pseudonymise: [subject]                         # keyed hash, key from the environment
  without_id: content                             # equal rows are one signal
order: {source: shop, columns: {basket: long}, delimiter: ";", header: [a, b], null_values: ["", NA]}
"""


def _read(text: str) -> dict[str, Source]:
    return parse_sources(parse_yaml(text, "sources.yaml"), CONTRACTS)


def test_the_grammars_example() -> None:
    sources = _read(EXAMPLE)
    usage, order = sources["usage"].config, sources["order"].config
    assert usage.map == {
        "id": None,
        "time": "from_epoch_s(start)",
        "subject": "msisdn",
        "kind": "'data'",
        "mb": "(up_bytes + down_bytes) / 1048576.0",
    }
    assert (usage.format, usage.pseudonymise, usage.without_id) == ("csv", ("subject",), "content")
    assert (sources["usage"].producer, sources["order"].producer) == ("usage", "shop")
    assert (order.delimiter, order.header, order.null_values) == (";", ["a", "b"], ["", "NA"])


def test_several_feeds_may_give_one_signal() -> None:
    sources = _read("calls: {signal: usage, format: csv}\ntexts: {signal: usage, source: sms_centre}")
    assert {feed: source.contract.name for feed, source in sources.items()} == {"calls": "usage", "texts": "usage"}
    assert [source.producer for source in sources.values()] == ["calls", "sms_centre"]


def test_without_an_entry_names_agree() -> None:
    assert Source(CONTRACTS["usage"]).config.map is None
    assert str(Source(CONTRACTS["usage"]).error((), "is wrong")) == "usage: is wrong"


MAP = "id: i, time: t, subject: s"


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("calls:\n  format: csv\n  signal: usgae", [(3, "no signal `usgae`", "`usage`")]),
        ("usage: csv", [(1, "`usage`", "")]),
        ("[]", [(1, "must hold an entry for each signal", "")]),
        ("usage:\nusgae: {}", [(1, "usage", ""), (2, "no signal `usgae`", "`usage`")]),
        ("usage:\n  formt: csv", [(2, "`usage.formt`: unknown key", "`format`")]),
        ("usage:\n  format: xml", [(2, "`usage.format`", "")]),
        ("usage:\n  delimiter: ab", [(2, "`usage.delimiter`", "")]),
        ("usage:\n  header: false", [(2, "`usage.header", "")]),
        ("usage:\n  columns: {a: int}", [(2, "`usage.columns.a`", "")]),
        (f"usage:\n  map:\n    {{{MAP},\n    bites: b}}", [(4, "usage has no field `bites`", "`bytes`")]),
        (f"usage:\n  map: {{{MAP}, mb: IF(a, 1)}}", [(2, "no field `1)`", "has a comma in quotes")]),
        (f"usage:\n  map: {{{MAP}, source: x}}\n  source: y", [(3, "`usage.source`: is mapped as well", "leave one")]),
        ("usage:\n  map: {time: t, subject: s}", [(2, "`id` is missing", "without_id")]),
        ("usage:\n  map: {id: i}", [(2, "`time` is missing", ""), (2, "`subject` is missing", "")]),
        ("ticket:\n  map: {id: i, time: t, subject: s, state: x}", [(2, "`ticket_id` is missing", "")]),
        (f"usage:\n  map: {{{MAP}}}\n  without_id: content", [(3, "`id` is mapped as well", "leave one")]),
        ("usage:\n  pseudonymise: [subjct]", [(2, "`subjct` is not a text field", "`subject`")]),
        ("usage:\n  pseudonymise: [mb]", [(2, "`mb` is not a text field", "")]),
    ],
)
def test_mistakes(text: str, errors: list[tuple[int, str, str]]) -> None:
    with pytest.raises(LoadErrors) as told:
        _read(text)
    found: Any = told.value.errors
    assert [error.line for error in found] == [line for line, _, _ in errors]
    for error, (_, message, hint) in zip(found, errors, strict=True):
        assert error.file == "sources.yaml"
        assert message in error.message
        assert hint in error.hint

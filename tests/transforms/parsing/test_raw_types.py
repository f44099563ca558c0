"""Which raw columns are read, and the types that text has."""

import pyarrow as pa
import pytest

from schemas.contracts import contract
from schemas.errors import LoadErrors
from schemas.records import INSTANT
from schemas.sources import Source, SourceConfig
from transforms.parsing.raw_types import made_fields, raw_types

I64, F64, STR = pa.int64(), pa.float64(), pa.string()


def _source(**config: object) -> Source:
    return Source(contract("usage"), SourceConfig.model_validate(config))


def test_without_a_map_columns_bear_the_contracts_names_and_types() -> None:
    fields = made_fields(_source(), ["mb", "roaming"])
    assert fields == ("id", "source", "time", "subject_kind", "subject", "mb", "roaming", "traceparent")
    assert raw_types(_source(), fields) == {
        "traceparent": STR,
        "id": STR,
        "source": STR,
        "time": INSTANT,
        "subject_kind": STR,
        "subject": STR,
        "mb": F64,
        "roaming": pa.bool_(),
    }


@pytest.mark.parametrize(
    ("config", "brings"),
    [
        ({}, True),
        ({"source": "net"}, False),
        ({"map": {"id": "i"}}, False),
        ({"map": {"id": "i", "source": "s"}}, True),
    ],
)
def test_signals_may_say_who_produced_them(config: dict[str, object], brings: bool) -> None:
    assert ("source" in made_fields(_source(**config), [])) is brings


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("volume", {"volume": F64}),
        ("(up + down) / 1048576.0", {"up": F64, "down": F64}),
        ("-up", {"up": F64}),
        ("CASE WHEN up > 5 THEN 1 ELSE 0 END", {"up": F64}),
        ("CASE WHEN (up) BETWEEN 1 AND 5 THEN 1 ELSE 0 END", {"up": F64}),
        ("CASE WHEN up IN (1, -2) THEN 1 ELSE 0 END", {"up": F64}),
        ("CASE WHEN up = 'a' THEN 1 ELSE 0 END", {"up": STR}),
        ("CASE WHEN up = down THEN 1 ELSE 0 END", {"up": STR, "down": STR}),
        ("from_epoch_s(at)", {"at": F64}),
        ("from_iso(at)", {"at": STR}),
        ("length(at)", {"at": STR}),
        ("round(at, 2)", {"at": F64}),
        ('"Up MB" * 2', {"Up MB": F64}),
        ("7", {}),
    ],
)
def test_the_rule_for_text(text: str, types: dict[str, pa.DataType]) -> None:
    source = _source(map={"id": "i", "time": "t", "subject": "s", "mb": text})
    assert raw_types(source, made_fields(source, ["mb"])) == {"i": STR, "t": INSTANT, "s": STR, **types}


def test_columns_decides() -> None:
    source = _source(map={"id": "i", "time": "t", "subject": "s", "mb": "up * 2"}, columns={"up": "long", "no": "long"})
    assert raw_types(source, ("mb",)) == {"up": I64}


def test_an_id_of_the_content_needs_all_that_is_mapped() -> None:
    source = _source(map={"time": "t", "subject": "s", "mb": "m", "app": "a"}, without_id="content")
    assert made_fields(source, ["mb"]) == ("time", "subject_kind", "subject", "mb", "app")


def test_mistakes_are_told_together() -> None:
    source = _source(map={"id": "i +", "time": "t", "subject": "(s"})
    with pytest.raises(LoadErrors) as told:
        raw_types(source, made_fields(source, []))
    assert len(told.value.errors) == 2


def test_a_word_of_sql_is_a_column_in_quotes() -> None:
    with pytest.raises(LoadErrors) as caught:
        raw_types(_source(map={"peer": "from"}), ["peer"])
    assert caught.value.errors[0].hint == """a column of that name is '"from"'"""


@pytest.mark.parametrize("text", ['"\1position"', '"\1published" || x', '"\1"'])
def test_no_map_reads_our_own_columns(text: str) -> None:
    with pytest.raises(LoadErrors, match=r"begins with the character U\+0001"):
        raw_types(_source(map={"kind": text}), ["kind"])


@pytest.mark.parametrize(
    ("header", "map_", "told"),
    [
        (["id", "time", "id"], None, ["id"]),
        (["id", "time", "id", "time", "id"], None, ["id", "time"]),
        (["i", "t", "i"], {"id": "i", "time": "t"}, ["i"]),
        (["i", "t", "t"], {"id": "i", "time": "t + 0"}, ["t"]),
    ],
)
def test_a_header_names_no_used_column_twice(header: list[str], map_: dict[str, str] | None, told: list[str]) -> None:
    with pytest.raises(LoadErrors) as wrong:
        raw_types(_source(header=header, map=map_), ["id", "time"])
    assert [error.message for error in wrong.value.errors] == [f"names `{name}` more than once" for name in told]
    assert all("a name of its own" in error.hint for error in wrong.value.errors)


def test_columns_that_nothing_reads_may_share_a_name() -> None:
    assert raw_types(_source(header=["id", "_", "_", "mb", "mb"]), ["id"]) == {"id": STR}

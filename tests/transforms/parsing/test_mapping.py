"""Maps: raw columns become contract fields; mistakes are told before any data is read."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from schemas.contracts import contract
from schemas.errors import LoadErrors
from schemas.sources import Source, SourceConfig
from transforms.parsing.mapping import compile_mapper
from transforms.parsing.problems import Problems
from transforms.parsing.raw import raw_block
from transforms.parsing.raw_types import made_fields


def _source(**config: object) -> Source:
    return Source(contract("usage"), SourceConfig.model_validate(config))


def _map(source: Source, needed: list[str], **columns: Any) -> tuple[dict[str, list[Any]], list[tuple[int, str, str]]]:
    arrays = [pa.array(values) for values in columns.values()]
    block = raw_block(arrays, list(columns), np.arange(len(arrays[0])), "row")
    fields = made_fields(source, needed)
    mapper = compile_mapper(source, fields, {name: array.type for name, array in zip(columns, arrays, strict=True)})
    problems = Problems(block.num_rows)
    made = mapper(block, problems)
    assert tuple(made) == fields
    assert [array.type for array in made.values()] == [source.field(name).type for name in fields]
    return {name: array.to_pylist() for name, array in made.items()}, problems.bad()


def test_the_grammars_example() -> None:
    source = _source(
        map={
            "id": None,
            "time": "from_epoch_s(start)",
            "subject": "msisdn",
            "kind": "'data'",
            "mb": "(up + down) / 1048576.0",
        },
        without_id="content",
    )
    made, bad = _map(
        source, ["kind", "mb", "app"], start=["10", "x"], msisdn=["4512", "4513"], up=["1048576", "1"], down=["0", "1"]
    )
    assert made["time"] == [10_000, None]
    assert made["subject"] == ["4512", "4513"]
    assert made["kind"] == ["data", "data"]
    assert made["mb"][0] == 1.0
    assert made["app"] == [None, None]
    assert bad == [(1, "wrong_type", "`start` is not a number")]


def test_without_a_map_names_agree_and_missing_payload_is_null() -> None:
    made, bad = _map(_source(), ["mb", "kind"], id=[1, 2], time=[5, 6], subject=["a", None], mb=["1.5", "x"])
    assert made["id"] == ["1", "2"]
    assert made["mb"] == [1.5, None]
    assert made["kind"] == made["subject_kind"] == [None, None]
    assert bad == [(1, "wrong_type", "`mb` is not a number")]


@pytest.mark.parametrize("text", ["acct", '"acct"', "(acct)", '("acct")'])
@pytest.mark.parametrize("kind", [pa.uint64(), pa.decimal128(38, 0)])
def test_a_column_is_itself_in_quotes_and_brackets(text: str, kind: pa.DataType) -> None:
    source = _source(map={"id": "id", "time": "time", "subject": text})
    made, bad = _map(source, [], id=["1"], time=[5], acct=pa.array([2**64 - 1], kind))
    assert (made["subject"], bad) == ([str(2**64 - 1)], [])


@pytest.mark.parametrize("other", [{"bytes": "nr"}, {"mb": "nr * 2"}, {"time": "nr"}])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_a_text_that_others_read_as_a_number_keeps_its_digits(kind: pa.DataType, other: dict[str, str]) -> None:
    source = _source(map={"id": "nr", "time": "time", "subject": "subject"} | other)
    made, bad = _map(source, [*other], nr=pa.array(["007", "7"], kind), time=["5", "5"], subject=["a", "b"])
    assert (made["id"], bad) == (["007", "7"], [])


@pytest.mark.parametrize("name", ["from", "case", "between", "null"])
def test_a_contract_may_call_a_field_as_sql_has_a_word(name: str) -> None:
    usage = contract("usage")
    fields = tuple(replace(field, name=name) if field.name == "mb" else field for field in usage.fields)
    made, bad = _map(
        Source(replace(usage, fields=fields)), [name], id=["1"], time=[5], subject=["a"], **{name: ["1.5"]}
    )
    assert (made[name], bad) == ([1.5], [])


def test_numbers_may_be_constants() -> None:
    source = _source(map={"id": "i", "time": "t", "subject": "s", "seconds": 7, "mb": 1, "roaming": True})
    made, _ = _map(source, ["seconds", "mb", "roaming"], i=["1"], t=[1], s=["a"])
    assert (made["seconds"], made["mb"], made["roaming"]) == ([7], [1.0], [True])


def test_what_is_not_finite_is_null_to_an_expression() -> None:
    source = _source(
        map={"id": "i", "time": "t", "subject": "s", "kind": "CASE WHEN v > 5 THEN 'big' ELSE 'small' END"}
    )
    made, _ = _map(source, ["kind"], i=["1", "2"], t=[1, 2], s=["a", "b"], v=["NaN", "6"])
    assert made["kind"] == ["small", "big"]


MAP = {"id": "i", "time": "t", "subject": "s"}


@pytest.mark.parametrize(
    ("config", "messages"),
    [
        ({}, ["the files have no column `time`", "the files have no column `subject`"]),
        ({"map": {**MAP, "mb": "volum"}}, ["no `volum` here"]),
        ({"map": {**MAP, "mb": "volume + 'x'"}}, ["a number is needed"]),
        ({"map": {**MAP, "mb": "upper(i)"}}, ["is text, not a number"]),
        ({"map": {**MAP, "mb": "sum(volume)", "kind": "now()"}}, ["no function `now`", "no function `sum`"]),
        ({"map": {**MAP, "roaming": "volume + 1"}}, ["not a truth value"]),
    ],
)
def test_mistakes_are_told_at_once(config: dict[str, Any], messages: list[str]) -> None:
    source = _source(**config)
    layout = {"id": pa.string(), "i": pa.string(), "t": pa.int64(), "s": pa.string(), "volume": pa.float64()}
    with pytest.raises(LoadErrors) as told:
        compile_mapper(source, made_fields(source, ["mb", "kind", "roaming"]), layout)
    assert len(told.value.errors) == len(messages)
    for error, message in zip(told.value.errors, messages, strict=True):
        assert message in error.message

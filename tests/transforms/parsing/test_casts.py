"""Casts: what fits is exact, what does not is told row by row."""

import datetime
import decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from schemas.records import INSTANT
from transforms.parsing.casts import cast, plain_type, read_as

I64, F64, STR, BOOL = pa.int64(), pa.float64(), pa.string(), pa.bool_()
UTC = datetime.UTC


def _told(faults: list[Any]) -> list[tuple[str, list[int]]]:
    return [(reason, mask.nonzero()[0].tolist()) for mask, reason in faults]


@pytest.mark.parametrize(
    ("array", "values", "kind"),
    [
        (pa.array([1, None], pa.int8()), [1, None], I64),
        (pa.array([1, None], pa.uint32()), [1, None], I64),
        (pa.array([0.5, None], pa.float32()), [0.5, None], F64),
        (pa.array([decimal.Decimal("1.25"), None]), [1.25, None], F64),
        (pa.array(["a", None], pa.large_string()), ["a", None], STR),
        (pa.array(["a", None], pa.string_view()), ["a", None], STR),
        (pa.array(["a", "b", "a", None]).dictionary_encode(), ["a", "b", "a", None], STR),
        (pa.array([b"a", None], pa.binary()), ["a", None], STR),
        (pa.array([b"a", None], pa.large_binary()), ["a", None], STR),
        (pa.array([datetime.date(2026, 1, 5), None]), ["2026-01-05", None], STR),
        (pa.array([datetime.datetime(2026, 1, 5, tzinfo=UTC), None]), [1767571200000, None], I64),
        (pa.array([1, None], pa.timestamp("s")), [1000, None], I64),
        (pa.array([1, None], pa.timestamp("ms", "Europe/Helsinki")), [1, None], I64),
        (pa.array([1_999_999, None], pa.timestamp("ns")), [1, None], I64),
        (pa.array([-1, None], pa.timestamp("us")), [-1, None], I64),
        (pa.array([True, None]), [True, None], BOOL),
        (pa.array([1.5, None], pa.float16()), [1.5, None], F64),
        (pa.array([decimal.Decimal(2**53 + 1), None], pa.decimal128(20, 0)), [2**53 + 1, None], I64),
        (pa.array([decimal.Decimal(100), None], pa.decimal128(5, -2)), [100, None], I64),
        (pa.array([decimal.Decimal("69.90"), None], pa.decimal256(50, 2)), [69.9, None], F64),
        (pa.array(["a", None], pa.binary_view()), ["a", None], STR),
        (pa.array([b"abc", None], pa.binary(3)), ["abc", None], STR),
        (
            pa.uuid().wrap_array(pa.array([b"0" * 16, None], pa.binary(16))),
            [f"{'30' * 4}-{'-'.join(['3030'] * 3)}-{'30' * 6}", None],
            STR,
        ),
        (pa.json_().wrap_array(pa.array(["{}", None])), ["{}", None], STR),
        (pa.bool8().wrap_array(pa.array([1, 0, None], pa.int8())), [True, False, None], BOOL),
        (pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([7, None])), [7, 7, None], I64),
        (pa.array([-719_528, None], pa.int32()).view(pa.date32()), ["0000-01-01", None], STR),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else None,
)
def test_plain(array: pa.Array, values: list[Any], kind: pa.DataType) -> None:
    made = read_as(array, kind)
    assert (made.array.to_pylist(), made.array.type, made.faults) == (values, kind, [])
    assert plain_type(array.type) == kind


@pytest.mark.parametrize(
    ("array", "values", "faults"),
    [
        (pa.array([1, 2**63, None], pa.uint64()), [1, None, None], [("out_of_range", [1])]),
        (pa.array([b"a", b"\xff", None]), ["a", None, None], [("invalid_utf8", [1])]),
        (pa.array([b"a", b"\xff"]).view(pa.string()), ["a", None], [("invalid_utf8", [1])]),
        (pa.array([b"x", b"a", b"\xff"])[1:].view(pa.string()), ["a", None], [("invalid_utf8", [1])]),
        (pa.array([[1], None]), [None, None], [("wrong_type", [0])]),
        (pa.array([1, None], pa.time64("ns")), [None, None], [("wrong_type", [0])]),
        (pa.array([1, None], pa.duration("s")), [None, None], [("wrong_type", [0])]),
        (pa.array([None, None], pa.null()), [None, None], []),
        (pa.array([decimal.Decimal(10**20), None]), [None, None], [("out_of_range", [0])]),
        (pa.array([2**31 - 1, -(2**31)], pa.int32()).view(pa.date32()), [None, None], [("out_of_range", [0, 1])]),
        (pa.array([2**62, 0], pa.int64()).view(pa.date64()), [None, "1970-01-01"], [("out_of_range", [0])]),
        (pa.array([{"a": 1}]), [None], [("wrong_type", [0])]),
    ],
)
def test_plain_tells_what_does_not_fit(array: pa.Array, values: list[Any], faults: list[Any]) -> None:
    plain = plain_type(array.type)
    made = read_as(array, pa.string() if pa.types.is_null(plain) else plain)
    assert (made.array.to_pylist(), _told(made.faults)) == (values, faults)


BIG = decimal.Decimal(10) ** 22 + 1


@pytest.mark.parametrize(
    ("array", "target", "value"),
    [
        (pa.array([BIG], pa.decimal128(38, 0)), STR, str(BIG)),
        (pa.array([BIG * 10**30], pa.decimal256(60, 0)), STR, f"{int(BIG)}{0:030}"),
        (pa.array([decimal.Decimal("0.0000000001")], pa.decimal128(15, 12)), STR, "0.000000000100"),
        (pa.array([decimal.Decimal("-5.000")], pa.decimal64(12, 3)), I64, -5),
        (pa.array([decimal.Decimal(2**63 - 1)], pa.decimal128(20, 0)), I64, 2**63 - 1),
        (pa.array([decimal.Decimal("0.1")], pa.decimal128(38, 1)), F64, 0.1),
        (pa.array([2**64 - 1], pa.uint64()), STR, "18446744073709551615"),
        (pa.array([decimal.Decimal(5)], pa.decimal128(38, 0)), INSTANT, 5),
    ],
)
def test_numbers_are_exact(array: pa.Array, target: pa.DataType, value: object) -> None:
    made = read_as(array, target)
    assert (made.array.to_pylist(), made.faults) == ([value], [])


def test_seconds_beyond_all_time_do_not_wrap_around() -> None:
    made = read_as(pa.array([2**62, -(2**62)], pa.timestamp("s")), I64)
    assert made.array[0].as_py() > 253402300799999
    assert made.array[1].as_py() < 0


def test_no_bits_of_a_double_make_numpy_warn() -> None:
    signalling = pa.py_buffer(np.array([0x7FF0000000000001, 0xFFF4000000000000], np.uint64).tobytes())
    made = cast(pa.Array.from_buffers(F64, 2, [None, signalling]), I64)
    assert _told(made.faults) == [("non_finite", [0, 1])]


@pytest.mark.parametrize(
    ("given", "target", "values", "faults"),
    [
        (["1", " 1", "1.5", "x", "", None], I64, [1, None, None, None, None, None], [("wrong_type", [1, 2, 3, 4])]),
        (["9" * 20, "-" + "9" * 20], I64, [None, None], [("out_of_range", [0, 1])]),
        (
            ["9223372036854775807", "x", "9" * 30],
            I64,
            [2**63 - 1, None, None],
            [("out_of_range", [2]), ("wrong_type", [1])],
        ),
        (["1", "1.5", "-2e3", "x", None], F64, [1.0, 1.5, -2000.0, None, None], [("wrong_type", [3])]),
        (["true", "false", "True", None], BOOL, [True, False, None, None], [("wrong_type", [2])]),
        ([1, None], F64, [1.0, None], []),
        ([1, None], STR, ["1", None], []),
        ([1, None], BOOL, [None, None], [("wrong_type", [0])]),
        ([1.0, 1.5, None], I64, [1, None, None], [("wrong_type", [1])]),
        (
            [1e300, float("nan"), float("inf"), -(2.0**63)],
            I64,
            None,
            [("non_finite", [1, 2]), ("out_of_range", [0, 3])],
        ),
        ([0.5], STR, [None], [("wrong_type", [0])]),
        ([True, None], STR, ["true", None], []),
        ([True, None], I64, [None, None], [("wrong_type", [0])]),
        ([True, None], F64, [None, None], [("wrong_type", [0])]),
        (["a"], STR, ["a"], []),
        (["5", None], INSTANT, [5, None], []),
        (["2026-01-05T00:00:00Z", "5", None, "soon"], INSTANT, [1767571200000, 5, None, None], [("wrong_type", [3])]),
        (["9" * 20, "2026-01-05"], INSTANT, [None, 1767571200000], [("out_of_range", [0])]),
        ([5, None], INSTANT, [5, None], []),
        ([5.0, 5.5], INSTANT, [5, None], [("wrong_type", [1])]),
        ([True, None], INSTANT, [None, None], [("wrong_type", [0])]),
    ],
)
def test_cast(given: list[Any], target: pa.DataType, values: list[Any] | None, faults: list[Any]) -> None:
    made = cast(pa.array(given), target)
    assert made.array.type == (I64 if target == INSTANT else target)
    assert made.array.to_pylist() == (values or [None] * len(given))
    assert _told(made.faults) == faults

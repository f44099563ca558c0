"""Values of any type can be told, whatever Python can hold."""

import numpy as np
import pyarrow as pa
import pytest

from transforms.parsing.shown import shown

FAR = pa.array([2**62, None])


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (FAR.view(pa.timestamp("us", "UTC")), "<value out of range: 4611686018427387904>"),
        (pa.array([253402300800000001, None]).view(pa.timestamp("us")), "10000-01-01 00:00:00.000001"),
        (pa.array([1, None]).view(pa.timestamp("ns", "Mars/X")), "1970-01-01 00:00:00.000000001"),
        (pa.array([2**31 - 1, None], pa.int32()).view(pa.date32()), "<value out of range: 2147483647>"),
        (pa.array([1, None]).view(pa.time64("ns")), "00:00:00.000000001"),
        (FAR.view(pa.duration("ns")), "4611686018427387904"),
        (pa.array([b"\xff", None]), "\\xff"),
        (pa.array(["a", None], pa.string_view()), "a"),
        (pa.array(["a", None]).dictionary_encode(), "a"),
        (pa.json_().wrap_array(pa.array(["{}", None])), "{}"),
        (pa.array([[2**62], None], pa.list_(pa.timestamp("s"))), "a list<item: timestamp[s]> that cannot be shown"),
        (pa.array([1, None]), 1),
        (pa.array([float("nan"), None]), "nan"),
        (pa.array([float("-inf"), None], pa.float32()), "-inf"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else None,
)
def test_values_are_told(array: pa.Array, text: object) -> None:
    assert shown(array, np.array([0, 1])) == [text, None]

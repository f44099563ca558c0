"""Metrics are documented text, and the text is read back as what it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.metrics.rendering import parsed, rendered
from transforms.metrics.table import METRICS, UndocumentedMetricError, documented
from transforms.metrics.tally import Key, Summary, Values


def key_of(metric: object, labels: list[str]) -> Key:
    for known in METRICS:
        if known is metric:
            *words, last = labels or [known.name]
            return " ".join([known.namespace, *words]), last
    raise AssertionError(metric)


def test_a_counter() -> None:
    text = rendered({("signals", "in"): 7})
    assert text.splitlines() == [
        "# HELP segone_signals_in_total Records that were read: signals, and what is none.",
        "# TYPE segone_signals_in_total counter",
        "segone_signals_in_total 7",
    ]


def test_labels_are_escaped() -> None:
    text = rendered({("read", 'a"b\\c\nd'): 1})
    assert text.splitlines()[-1] == r'segone_read_rows_total{feed="a\"b\\c\nd"} 1'


def test_two_labels() -> None:
    text = rendered({("without my feed", "mb"): 3})
    assert text.splitlines()[-1] == 'segone_without_value_total{feed="my feed",column="mb"} 3'


def test_a_summary() -> None:
    summary = Summary().with_one(40).with_one(2)
    lines = rendered({("ticks", "track_contexts"): summary}).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'segone_ticks_milliseconds_count{stage="track_contexts"} 2',
        'segone_ticks_milliseconds_sum{stage="track_contexts"} 42',
        'segone_ticks_milliseconds_max{stage="track_contexts"} 40',
    ]


def test_a_gauge_of_a_distribution_is_its_greatest() -> None:
    assert parsed(rendered({("signals", "end_tick"): Summary(1, 60, 60)})) == {("segone_signals_end_tick", ()): 60.0}


@pytest.mark.parametrize("key", [("signals", "inn"), ("without", "mb"), ("read of usage", "x"), ("other", "in")])
def test_what_is_not_documented_is_refused(key: Key) -> None:
    with pytest.raises(UndocumentedMetricError, match="is not in transforms/metrics/table"):
        rendered({key: 1})


def test_names_outside_are_unique() -> None:
    samples = [name for metric in METRICS for name in metric.samples]
    assert len({*samples}) == len(samples)
    families = [metric.namespace for metric in METRICS if metric.labels]
    assert len({*families}) == len(families)
    assert not {*families} & {metric.namespace for metric in METRICS if not metric.labels}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.exported)
def test_every_metric_is_found_by_its_name_in_beam(metric: object) -> None:
    labels = [f"a {label}" for label in next(known.labels for known in METRICS if known is metric)]
    key = key_of(metric, labels[:1] and [labels[0].replace(" ", "_"), *labels[1:]])
    assert documented(key)[0] is metric


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"))


@given(st.dictionaries(texts, st.integers(0, 2**53)))
def test_what_is_rendered_is_read_back(counts: dict[str, int]) -> None:
    values: Values = {("read", feed): count for feed, count in counts.items()}
    assert parsed(rendered(values)) == {("segone_read_rows_total", (feed,)): count for feed, count in counts.items()}


@pytest.mark.parametrize("text", ["<html>", "segone_x one two", 'segone_x{a="b"}'])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a line|could not convert"):
        parsed(text)

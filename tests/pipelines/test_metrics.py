"""Every metric of the program is documented, and the pages and dashboards name no other."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.contracts import schema_text
from pipelines.offers_pipeline import build
from pipelines.published import load_versions
from pipelines.runner_options import beam_arguments
from tests.pipelines.small import small_settings
from transforms.metrics.table import METRICS, documented
from transforms.metrics.tally import TALLY, Key, Values
from transforms.streams.floods import FLOODS, RECORDS, REFUSED

ROOT = Path(__file__).parents[2]
CALLS = {"counter", "distribution", "gauge", "TalliedCounter", "TalliedDistribution", "TalliedGauge"}
WORDS = re.compile(r"\bsegone_[a-z_]+")


@cache
def namespaces_counted() -> frozenset[str]:
    """Return the namespaces, up to their first blank, of all counters in the sources."""
    texts = [path.read_text() for folder in ("transforms", "pipelines") for path in (ROOT / folder).rglob("*.py")]
    trees = [ast.parse(text) for text in texts if "Metrics." in text or "Tallied" in text]
    return frozenset(name for tree in trees for name in _namespaces(tree))


def _namespaces(tree: ast.Module) -> Iterator[str]:
    assigned = (node for node in ast.walk(tree) if isinstance(node, ast.Assign))
    names = dict(pair for node in assigned for target in node.targets for pair in _constants(target, node.value))
    names |= {"READ": "read", "WITHOUT": "without"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func) in CALLS and len(node.args) == 2:
            yield _text(node.args[0], names).split(" ")[0]


def _constants(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, Any]]:
    """Yield names that are assigned constants, those of a tuple too."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for each, one in zip(target.elts, value.elts, strict=False):
            yield from _constants(each, one)
    elif isinstance(target, ast.Name) and isinstance(value, ast.Constant):
        yield target.id, value.value


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "Metrics":
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _text(node: ast.expr, names: dict[str, Any]) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, names) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, names)
    if isinstance(node, ast.Name):
        return str(names.get(node.id, ""))
    return str(node.value) if isinstance(node, ast.Constant) else ""


def test_every_namespace_that_is_counted_is_documented() -> None:
    found = {*namespaces_counted()} - {""}
    assert {"signals", "decisions", "read", "without", "rows", "groups"} <= found
    assert sorted(found - {metric.namespace for metric in METRICS}) == []


def test_every_documented_namespace_is_counted() -> None:
    of_floods = {RECORDS, REFUSED, FLOODS}  # counted by what a stream gives to its engine
    assert {metric.namespace for metric in METRICS} - {*namespaces_counted()} == of_floods


def test_all_that_a_run_counts_is_documented(tmp_path: Path) -> None:
    settings = small_settings(tmp_path, out=str(tmp_path), as_of=2**42)
    pipeline = beam.Pipeline(options=PipelineOptions(beam_arguments("FnApiRunner", ())))
    build(pipeline, load_versions(settings.playbook, {}), settings)
    before = TALLY.values()
    pipeline.run().wait_until_finish()
    values = TALLY.values()
    assert _grown(before, values, ("signals", "in")) == 11
    assert _grown(before, values, ("decisions", "offer")) == 3
    assert _grown(before, values, ("rejections ReadSignals", "wrong_type")) == 1
    assert {metric.exported for metric, _ in map(documented, values)} >= {
        "segone_read_rows_total",
        "segone_signals_end_tick",
        "segone_rows_written_total",
    }


def _grown(before: Values, after: Values, key: Key) -> Any:
    return after[key] - before.get(key, 0)  # type: ignore[operator]


def test_the_page_is_made_from_the_table() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == schema_text("metrics"), (
        "segone schema metrics > docs/metrics.md"
    )


@pytest.mark.parametrize("file", ["deploy/grafana/dashboard.json", "deploy/terraform/alerts.tf", "deploy/README.md"])
def test_it_names_documented_metrics_alone(file: str) -> None:
    known = {name for metric in METRICS for name in (*metric.samples, metric.exported)}
    named = {*WORDS.findall((ROOT / file).read_text())}
    assert sorted(named - known) == []


def test_the_dashboard_shows_every_metric() -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text())
    asked = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ()))
    bounded = {"segone_signals_end_tick", "segone_signals_pending_total", "segone_signals_not_sampled_total"}
    bounded |= {"segone_decisions_pending_total", "segone_decisions_waiting_total", "segone_rows_written_total"}
    missing = {metric.exported for metric in METRICS if metric.exported not in asked} - bounded
    assert missing == set()

"""The one table of metrics: what each is called in Beam, what it is called outside, and what it says."""

from dataclasses import dataclass
from typing import Literal

from transforms.metrics.tally import Key

Kind = Literal["counter", "gauge", "summary"]


@dataclass(frozen=True)
class Metric:
    """One documented metric.

    Attributes:
        namespace: Its namespace in Beam. One with labels has all names of the namespace: the words behind the first one
            of Beam's namespace, and Beam's name, are the values of its labels.
        name: Its name in Beam; of one with labels, what its values are.
        kind: A summary is a distribution, of which count, sum and the greatest are told.
        help: What it says, one sentence.
        labels: Names of the labels.
    """

    namespace: str
    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()

    @property
    def exported(self) -> str:
        """Its name outside, in Prometheus."""
        return f"segone_{self.namespace}_{self.name}{'_total' if self.kind == 'counter' else ''}"

    @property
    def samples(self) -> tuple[str, ...]:
        """The names of its samples."""
        parts = ("count", "sum", "max") if self.kind == "summary" else ()
        return tuple(f"{self.exported}_{part}" for part in parts) or (self.exported,)


class UndocumentedMetricError(ValueError):
    """A metric that is not in the table: a mistake in this program."""


_SIGNALS = (
    Metric("signals", "in", "counter", "Records that were read: signals, and what is none."),
    Metric("signals", "parsed", "counter", "Signals that went on to the stages."),
    Metric("signals", "rejected", "counter", "Records that were refused; the output `rejected` says why."),
    Metric("signals", "uncounted", "counter", "Rejections that stand for nobody knows how many records."),
    Metric("signals", "not_sampled", "counter", "Signals of subjects that `--sample` does not take."),
    Metric("signals", "applied", "counter", "Signals that took effect."),
    Metric("signals", "late", "counter", "Signals that took effect at a later tick than their own."),
    Metric("signals", "duplicates", "counter", "Signals that came again."),
    Metric("signals", "too_late", "counter", "Signals that came when their time was closed for good."),
    Metric("signals", "erased", "counter", "Signals about subjects who were erased."),
    Metric("signals", "pending", "counter", "Signals after the last tick of a run that ends."),
    Metric("signals", "contradictory", "counter", "Signals applied that contradict what is known of memberships."),
    Metric("signals", "doubtful", "counter", "Signals applied that are too doubtful to change memberships."),
    Metric("signals", "end_tick", "gauge", "The last tick of a run that ends, milliseconds since the epoch."),
    Metric("read", "rows", "counter", "Rows of a feed that were read.", ("feed",)),
    Metric("without", "value", "counter", "Rows of a feed without a value in a column.", ("feed", "column")),
)
_CONTEXTS = (
    Metric("groups", "too_large", "counter", "Times that a group became larger than `max_members` and was ignored."),
    Metric(
        "segments", "parts_too_late", "counter", "Rows of segments' statistics that came when their window was over."
    ),
    Metric("features", "sums_too_large", "counter", "Sums in contexts that are NULL because 64 bits do not hold them."),
    Metric(
        "bad_input", "control_of_unknown_name", "counter", "Controls that do nothing: no such action, scope or name."
    ),
    Metric("bad_input", "unknown_zone", "counter", "Profiles with a time zone that there is not."),
    Metric("bad_input", "outcome_of_unknown_decision", "counter", "Outcomes of decisions that the ledger knows not."),
    Metric("bad_input", "contradicting_outcome", "counter", "Decisions reported both as taken up and as rejected."),
)
_DECISIONS = (
    Metric("decisions", "offer", "counter", "Triggers that got an offer."),
    Metric("decisions", "no_offer", "counter", "Triggers that no candidate was right for."),
    Metric("decisions", "outranked", "counter", "Triggers that another trigger of the same contact root outranked."),
    Metric("decisions", "holdout", "counter", "Triggers whose offer was held out."),
    Metric("decisions", "deferred", "counter", "Times that a trigger waited for a gate to open."),
    Metric("decisions", "withdrawn", "counter", "Offers that were withdrawn, and triggers that wait no longer."),
    Metric("decisions", "published", "counter", "Offers that went to own channels first; they are answered again."),
    Metric("decisions", "pending", "counter", "Triggers after the last tick of a run that ends."),
    Metric("decisions", "waiting", "counter", "Triggers that still wait when a run ends."),
)
_OUT = (
    Metric("rows", "written", "counter", "Rows of an output that were written to files.", ("output",)),
    Metric("published", "rows", "counter", "Rows of an output that a broker acknowledged.", ("output",)),
    Metric(
        "publish_failures",
        "bundles",
        "counter",
        "Bundles that an output failed to publish, to be repeated.",
        ("output",),
    ),
    Metric(
        "expired", "rows", "counter", "Rows of an output that were past `valid_until` and not published.", ("output",)
    ),
    Metric("held", "offers", "counter", "Times that `--max-offers-per-hour` held an offer, by its name.", ("offer",)),
)
_STREAM = (
    Metric("streams", "watermark_lag_seconds", "gauge", "The clock less the watermark of all that is read."),
    Metric("streams", "left_out", "counter", "Times that the watermark no longer waited for a partition."),
    Metric(
        "ticks",
        "milliseconds",
        "summary",
        "What calls that advance a stage took; one is a tick of a shard.",
        ("stage",),
    ),
    Metric("resident", "rebuilt", "counter", "Shards made again from their state, not found in memory.", ("stage",)),
    Metric("state", "bytes", "summary", "Size of a shard's state when it was written.", ("stage",)),
)

METRICS: tuple[Metric, ...] = (*_SIGNALS, *_CONTEXTS, *_DECISIONS, *_OUT, *_STREAM)

_PLAIN = {(metric.namespace, metric.name): metric for metric in METRICS if not metric.labels}
_LABELLED = {metric.namespace: metric for metric in METRICS if metric.labels}


def documented(key: Key) -> tuple[Metric, tuple[str, ...]]:
    """Return the metric that a namespace and name of Beam stand for, and the values of its labels.

    Raises:
        UndocumentedMetricError: there is none.
    """
    if key in _PLAIN:
        return _PLAIN[key], ()
    family, *words = key[0].split(" ", 1)
    metric = _LABELLED.get(family)
    values = (*words, key[1])
    if metric is None or len(values) != len(metric.labels):
        told = f"the metric {key[0]}/{key[1]} is not in transforms/metrics/table.py: add it there"
        raise UndocumentedMetricError(told)
    return metric, values

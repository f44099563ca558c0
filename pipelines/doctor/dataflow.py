"""Dataflow: what it cannot do of what is asked for, and what cannot be seen from here."""

from collections.abc import Iterator, Sequence

from pipelines.doctor.finding import Finding
from pipelines.native_rules import refusals
from pipelines.runner_options import ENGINES
from schemas.addresses import parse_address

_TRY = "behind them `--dry_run=True` makes its graph and asks nobody; deploy/dataflow/acceptance.sh runs a job"


def dataflow(signals: Sequence[tuple[str, str]]) -> Iterator[Finding]:
    """Tell what a run on Dataflow would refuse, and what else it asks for.

    Args:
        signals: Names and addresses of what is read.

    Raises:
        ValueError: one is no address.
    """
    addresses = [(name, parse_address(text)) for name, text in signals]
    for told in refusals("dataflow", [(name, one) for name, one in addresses if not one.ends], None):
        what, _, why = told.partition(": ")
        yield Finding(what, "fail", why)
    asks = ", ".join(f"--{name}" for name in ENGINES["dataflow"].asks)
    yield Finding(
        "dataflow", "warn", f"a run gives {asks} after `--`; whether a job starts is not seen from here", _TRY
    )

"""Offers, and withdrawals of them, as CloudEvents 1.0, made from the decisions."""

from collections.abc import Mapping
from typing import BinaryIO

import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pyarrow.compute as pc

from schemas.offer import OFFER, OFFER_AVRO, source_of
from transforms.arrays.arrow_columns import pick
from transforms.arrays.plain_arrow import framed
from transforms.compiler.offer_definitions import OfferPlan, Traits
from transforms.decision.avro import write_avro

MADE, WITHDRAWN = "offer.made", "offer.withdrawn"
"""Types of the events."""

ROOT = pa.schema([pa.field(name, pa.string(), nullable=False) for name in ("root_kind", "root")])
"""The contact root of an offer, beside its event."""

ROOTED = pa.schema([*OFFER, *ROOT])
"""What `offers_of` gives."""

_DATA = OFFER.field("data").type
_INSTANT = "%Y-%m-%dT%H:%M:%S%.3fZ"
_CONSTANT = {
    "specversion": "1.0",
    "datacontenttype": "application/json",
    "dataschema": "urn:segment-of-one:offer:1",
}


def offers_of(plan: OfferPlan, decisions: pa.Table, known: Mapping[str, Traits] | None = None) -> pa.Table:
    """Return the offers, and withdrawals of them, among decisions, in their order.

    Args:
        plan: The offers.
        decisions: As `decision_schema` says.
        known: As `Decided.offers`; None: nothing is withdrawn that the plan has not.

    Returns:
        One row an offer or a withdrawal, as `schemas.offer.OFFER` says, and after that `root_kind` and `root`, which
        are no part of the event: the contact root, whose offers keep their order.
    """
    made = decisions.filter(pc.is_in(pc.field("action"), pa.array(["offer", "withdrawn"])))
    withdrawn = pc.equal(made["action"], "withdrawn")
    known = plan.traits if known is None else known
    which = pc.index_in(made["offer"], pa.array([*known], pa.string())).to_numpy()
    about = {name: made[name].combine_chunks() for name in set(_DATA.names) & set(made.column_names)} | {
        "params": made["params"].fill_null("{}").combine_chunks(),
        "family": pick([one.family for one in known.values()], which),
        "owner": pick([one.owner for one in known.values()], which),
        "priority": pick([one.priority for one in known.values()], which, "int64"),
    }
    columns = {name: pa.repeat(value, len(made)) for name, value in _CONSTANT.items()} | {
        "type": pc.if_else(withdrawn, WITHDRAWN, MADE),
        "id": made["decision_id"],
        "source": pa.repeat(source_of(plan.playbook), len(made)),
        "subject": pc.binary_join_element_wise(made["subject_kind"], made["subject"], "/"),
        "time": made["tick"],
        "mode": made["mode"],
        "playbookversion": made["version"],
        "traceparent": made["traceparent"],
        "data": pa.StructArray.from_arrays([about[field.name] for field in _DATA], fields=list(_DATA)),
    }
    return pa.table([*(columns[name] for name in OFFER.names), *(made[name] for name in ROOT.names)], schema=ROOTED)


def event_texts(offers: pa.Table) -> pl.Series:
    """Return each offer as a CloudEvent in JSON, structured mode; `data.params` is the object itself."""
    table = framed(offers.select(OFFER.names))
    data = table["data"].struct.unnest()
    data = data.with_columns(pl.col("cause").struct.with_fields(pl.field("since").dt.strftime(_INSTANT)))
    events = _json("event", table.drop("data")).str.replace(',"traceparent":null', "", literal=True)  # is then unset
    parts = pl.DataFrame([events, _json("data", data.drop("params")), data["params"]])
    event, inner = (pl.col(name).str.strip_suffix("}") for name in ("event", "data"))
    return parts.select(
        pl.concat_str(event, pl.lit(',"data":'), inner, pl.lit(',"params":'), "params", pl.lit("}}"))
    ).to_series()


def write_event_lines(offers: pa.Table, sink: BinaryIO) -> None:
    """Write offers as JSON Lines, one CloudEvent a line."""
    sink.write(b"".join(f"{text}\n".encode() for text in event_texts(offers)))


def write_event_container(offers: pa.Table, sink: BinaryIO) -> None:
    """Write offers as an Avro container, as `schemas/avro/offer.avsc` says."""
    write_avro(offers.select(OFFER.names), sink, OFFER_AVRO)


def _json(name: str, table: pl.DataFrame) -> pl.Series:
    """Return each row as a JSON object, instants as RFC 3339 with milliseconds."""
    texts = table.with_columns(cs.datetime().dt.strftime(_INSTANT))
    return texts.select(pl.struct(pl.all()).struct.json_encode().alias(name)).to_series()

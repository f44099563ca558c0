"""The tables of BigQuery that outputs go to: the same for every playbook."""

from pipelines.offers_pipeline import schemas_of
from schemas.playbook_file import parse_playbook
from transforms.compiler.offer_plan import load_offers
from transforms.sinks.bigquery_table import columns_of

_LEAST = """
playbook: least
version: 1
effective_from: 2026-01-01T00:00:00Z
time_zone: UTC
signals: [usage]
subscriber:
  features:
    mb: {last: mb, from: usage}
"""
"""What a playbook names is in columns of JSON, so any will do."""


def tables() -> dict[str, list[dict[str, str]]]:
    """Return the schema of each output's table, by the name of the output: fields as `bq mk --schema` takes them."""
    outputs = schemas_of(load_offers(parse_playbook(_LEAST, "least")))
    return {name: [column.field() for column in columns_of(schema)] for name, schema in outputs.items()}

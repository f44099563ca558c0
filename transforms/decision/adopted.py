"""Whether offers of another playbook can take over what a ledger holds."""

from transforms.arrays.fitted import misfits
from transforms.compiler.offer_definitions import OfferPlan
from transforms.decision import ledger_state as memories
from transforms.decision.deferral import entry_schema


def unfit_columns(plan: OfferPlan, state: bytes) -> list[str]:
    """Return the columns of triggers that wait which are of another type in a plan.

    Raises:
        StateError: the state cannot be read.
    """
    deferred = memories.load(state).deferred
    return [] if deferred is None else [*misfits(deferred.schema, entry_schema(plan))]

"""What a decision record always says."""

from tests.transforms.decision.small_policies import Offer, Policy, plan_of
from transforms.decision.recorded_candidates import CANDIDATE, GATE
from transforms.decision.records import decision_schema


def test_what_is_always_there() -> None:
    schema = decision_schema(plan_of(Policy((Offer("a"),), ())))
    assert [field.name for field in schema if field.nullable] == [
        *("recipient_kind", "recipient"),
        *("offer", "channel", "message", "valid_until", "params", "value_micros", "reason", "cause"),
        *("until", "holdout", "propensity"),
        *("evidence", "segments", "context", "zone", "channels", "traceparent"),
    ]
    assert [field.name for field in CANDIDATE if field.nullable] == ["value_micros", "p_accept"]
    assert [field.name for field in GATE if field.nullable] == ["reason", "until", "read"]

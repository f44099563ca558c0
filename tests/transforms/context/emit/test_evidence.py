"""What decided a transition, as JSON: the values that the deciding condition read, and only these."""

from schemas.playbook_file import parse_playbook
from tests.reference.kernel import Kernel
from tests.reference.records import MINUTE, Signal
from transforms.compiler.load import load_plan

PLAYBOOK = """
playbook: p
signals: [usage, profile]
let: {much: 2}
subscriber:
  features:
    n:     {count: any, from: usage, window: 3m}
    mb:    {sum: mb, from: usage, window: 3m}
    peer:  {last: peer, from: usage}
    other: {count: any, from: usage, window: 1m}
  derived: {half: {expr: mb / 2}}
  segments:
    gold:   {enter: half >= 100, exclusive: tier, priority: 1}
    silver: {enter: n >= much AND profile.tariff IS NULL, exit: mb < 1, exclusive: tier, priority: 2}
    once:   {enter: other > 0, expire: 2m}
    active: {enter: NOT gold AND n > 0}
  moments:
    named: {when: "peer = 'an \\"ö\\"'"}
"""


def _usage(minute: float, **payload: object) -> Signal:
    return Signal("usage", f"{minute}", "net", round(minute * MINUTE), "ann", payload)


def test_each_transition_tells_what_its_condition_read() -> None:
    kernel = Kernel(load_plan(parse_playbook(PLAYBOOK)))
    signals = [_usage(0.1, mb=1.5, peer='an "ö"'), _usage(0.2), _usage(1.5, mb=250.0)]
    kernel.advance(signals, 10 * MINUTE)
    rows = kernel.advanced.outputs.transitions.to_pylist()
    assert [(row["tick"].minute, row["name"], row["event"], row["reason"], row["evidence"]) for row in rows] == [
        (1, "named", "fired", None, '{"peer":"an \\"ö\\""}'),
        (1, "active", "entered", None, '{"gold":false,"n":2}'),
        (1, "once", "entered", None, '{"other":2}'),
        (1, "silver", "entered", None, '{"n":2,"profile.tariff":null}'),
        (2, "active", "exited", "condition_false", '{"gold":true,"n":3}'),
        (2, "gold", "entered", None, '{"half":125.75}'),
        (2, "silver", "exited", "superseded", '{"gold":true}'),
        (4, "once", "exited", "expired", None),
        (5, "gold", "exited", "condition_false", '{"half":0.0}'),
    ]

"""Consent to profiling: what it means as of a tick, what is not computed without it, and what is refused."""

import pytest

from schemas.errors import LoadErrors
from schemas.playbook_file import parse_playbook
from tests.reference.kernel import Kernel
from tests.reference.records import MINUTE, Signal
from transforms.compiler.load import load_plan, load_plans
from transforms.context.grid import LAST

PLAYBOOK = """
playbook: p
signals: [usage, consent]
subscriber:
  features:
    n:    {{count: any, from: usage, window: 1h, inferred: true}}
    rest: {{count: any, from: usage, window: 1h}}
  derived: {{some: {{expr: "COALESCE(n, 0)"}}}}
  segments:
    user:   {{enter: n > 0, hold: 30m}}
    either: {{enter: some > 0 OR rest > 0}}
    not_user: {{enter: NOT user AND rest > 0}}
    known:  {{enter: rest > 0}}
policy: {{consent: {{profiling: {basis}}}}}
"""
Said = tuple[float, str, str, float | None]


def consent(minute: float, state: str = "granted", purpose: str = "profiling", until: float | None = None) -> Signal:
    valid_until = None if until is None else round(until * MINUTE)
    payload = {"purpose": purpose, "state": state, "valid_until": valid_until}
    return Signal("consent", f"{minute}{state}", "crm", round(minute * MINUTE), "ann", payload)


def played(basis: str, *signals: Signal, cuts: tuple[int, ...] = (20,)) -> Kernel:
    """Return what came of them and of one use of the network within the first minute."""
    kernel = Kernel(load_plan(parse_playbook(PLAYBOOK.format(basis=basis))))
    given = [Signal("usage", "1", "net", 10_000, "ann", {}), *signals]
    for cut in cuts:
        kernel.advance([one for one in given if one.time < cut * MINUTE], cut * MINUTE)
        given = [one for one in given if one.time >= cut * MINUTE]
    return kernel


def of_user(kernel: Kernel) -> list[tuple[int, str, str | None]]:
    return [(one.tick // MINUTE, one.event, one.reason) for one in kernel.transitions if one.name == "user"]


IN, OUT = "entered", "exited"
GONE = "consent_withdrawn"


@pytest.mark.parametrize("cuts", [(20,), tuple(range(1, 21))])
@pytest.mark.parametrize(
    ("basis", "signals", "happened"),
    [
        ("opt_in", [], []),
        ("opt_out", [], [(1, IN, None)]),
        ("contract", [], [(1, IN, None)]),
        ("opt_in", [consent(0.5)], [(1, IN, None)]),
        ("opt_in", [consent(0.5, purpose="marketing")], []),
        ("opt_in", [consent(2)], [(3, IN, None)]),
        ("opt_in", [consent(2), consent(4.5, "withdrawn")], [(3, IN, None), (5, OUT, GONE)]),
        ("opt_in", [consent(2), consent(4.5, "refused")], [(3, IN, None), (5, OUT, GONE)]),
        ("opt_in", [consent(2, until=4)], [(3, IN, None), (4, OUT, GONE)]),
        ("opt_in", [consent(2, until=4.5)], [(3, IN, None), (5, OUT, GONE)]),
        ("opt_in", [consent(2, until=4), consent(3.5)], [(3, IN, None)]),
        ("opt_in", [consent(2, until=1)], []),
        ("opt_in", [consent(2), consent(3, until=4)], [(3, IN, None), (4, OUT, GONE)]),
        ("opt_out", [consent(2, "withdrawn")], [(1, IN, None), (3, OUT, GONE)]),
        ("opt_out", [consent(2, "withdrawn", until=4)], [(1, IN, None), (3, OUT, GONE), (4, IN, None)]),
        ("opt_out", [consent(2, until=4)], [(1, IN, None)]),
        ("contract", [consent(2, "withdrawn")], [(1, IN, None)]),
    ],
)
def test_what_consent_means(
    basis: str, signals: list[Signal], happened: list[tuple[int, str, str | None]], cuts: tuple[int, ...]
) -> None:
    assert of_user(played(basis, *signals, cuts=cuts)) == happened


def test_what_reads_what_is_inferred_needs_consent_too() -> None:
    kernel = played("opt_in", consent(0.5), consent(2, "withdrawn"))
    left = {(one.name, one.reason) for one in kernel.transitions if one.event == OUT}
    assert left == {("user", GONE), ("either", GONE)}
    assert "not_user" not in {one.name for one in kernel.transitions}
    told = {one.name: kernel.evidence[one] for one in kernel.transitions if one.event == OUT}
    assert told["user"] == {"consent.profiling": False}
    context = kernel.contexts["ann", 3 * MINUTE]
    assert context.values == {"n": None, "rest": 1, "consent.profiling": False, "some": 0}
    assert context.segments == ("known",)


def test_a_late_withdrawal_acts_at_the_first_open_tick() -> None:
    kernel = played("opt_in", consent(0.5))
    kernel.advance([consent(3, "withdrawn")], 25 * MINUTE)
    assert of_user(kernel) == [(1, IN, None), (21, OUT, GONE)]
    assert kernel.transitions[-1].late


def test_nothing_is_kept_of_consents_that_nobody_asks_for() -> None:
    text = PLAYBOOK.format(basis="opt_in")
    for playbook in (text.replace("inferred: true", "inferred: false"), text.replace("opt_in", "contract")):
        assert load_plan(parse_playbook(playbook)).signals["consent"].measures == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("policy: {consent: {profiling: opt_in}}", ""), "`subscriber.features.n.inferred`: `inferred` needs a basis"),
        (("signals: [usage, consent]", "signals: [usage]"), "`policy.consent`: who consents is told by `consent`"),
        (
            ("profiling: opt_in", "profiling: maybe"),
            "`policy.consent.profiling`: must be 'opt_in', 'opt_out' or 'contract'",
        ),
        (("profiling: opt_in", "profiling: opt_in, cares: contract"), "`policy.consent.cares`: unknown key"),
        (("some:", "consent:"), "`consent` is what `consent.COLUMN` begins with"),
        (("enter: n > 0", "enter: consent.profiling"), "consent.profiling"),
    ],
)
def test_what_is_refused(change: tuple[str, str], told: str) -> None:
    with pytest.raises(LoadErrors) as failed:
        load_plans(parse_playbook(PLAYBOOK.format(basis="opt_in").replace(*change)))
    assert told in str(failed.value)


def test_members_tell_by_themselves_what_is_inferred_of_them() -> None:
    text = PLAYBOOK.format(basis="opt_in").replace("[usage, consent]", "[usage, consent, membership]")
    text += "household: {features: {most: {max: rest, from: members, inferred: true}}}\n"
    with pytest.raises(LoadErrors, match="`inferred` is said of features from signals"):
        parse_playbook(text)


@pytest.mark.parametrize(("basis", "state", "holds"), [("opt_in", "granted", True), ("opt_out", "withdrawn", False)])
def test_what_is_said_without_an_end_holds_for_ever(basis: str, state: str, holds: bool) -> None:
    last = LAST // MINUTE
    kernel = played(basis, consent(2, state), cuts=(20, last))
    assert kernel.advanced.wake is None
    kernel.advance([], (last + 1) * MINUTE, final=True)
    assert kernel.contexts["ann", (last + 1) * MINUTE].values["consent.profiling"] is holds

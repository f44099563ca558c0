"""Decisions are counted by what was done and the gate that kept something from being sent."""

from tests.schemas import samples
from transforms.decision.first_gates import first_gates


def test_the_first_gate_that_the_best_candidate_did_not_pass() -> None:
    """Anna gets an offer and later no second one, for a cap, ben does not consent, and the offer is withdrawn."""
    assert first_gates(samples.decisions()) == {
        ("offer", "none"): 1,
        ("no_offer", "consent"): 1,
        ("no_offer", "caps"): 1,
        ("withdrawn", "none"): 1,
    }


def test_of_nothing_there_is_nothing() -> None:
    assert first_gates(samples.decisions().slice(0, 0)) == {}

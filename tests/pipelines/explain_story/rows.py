"""Rows of decisions as a run writes them, for tests."""

from typing import Any

NOON = "2026-03-02T12:00:00.000Z"


def gate(name: str, reason: str | None = None, until: str | None = None, result: str = "blocked") -> dict[str, Any]:
    """Return a gate that passed, or was shut for a reason."""
    return {"gate": name, "result": result if reason else "passed", "reason": reason, "until": until}


def candidate(offer: str, *gates: dict[str, Any], channel: str = "app") -> dict[str, Any]:
    """Return a candidate."""
    rest = {"priority": 5, "value_micros": -500_000, "p_accept": 0.2, "p_accept_assumed": False}
    return {"offer": offer, "channel": channel, "gates": [*gates], **rest}


def decision(*candidates: dict[str, Any], tick: str = NOON, **more: Any) -> dict[str, Any]:
    """Return the decision about subscriber/ann on a trigger of that tick; `no_offer` unless it is said."""
    who = {f"{name}_kind": "subscriber" for name in ("subject", "recipient", "root")}
    who |= dict.fromkeys(("subject", "recipient", "root"), "ann")
    sent = dict.fromkeys(("offer", "channel", "message", "reason", "until", "holdout", "value_micros", "valid_until"))
    rest = {"decision_id": f"id {tick} {more.get('n', 0)}", "trigger": "subscriber.running_out", "tick": tick, "n": 0}
    rest |= {"trigger_tick": tick, "action": "no_offer", "evidence": {}, "segments": [], "context": {}}
    rest |= {"candidates": [*candidates], "playbook": "small", "version": 3, "mode": "live", "playbook_hash": "0"}
    return who | sent | rest | more


def sent(offer: str, tick: str, **more: Any) -> dict[str, Any]:
    """Return the decision that sent an offer to subscriber/ann by app."""
    until = {
        "action": "offer",
        "message": "marketing",
        "channel": "app",
        "value_micros": 800_000,
        "valid_until": "2026-03-09T00:00:00.000Z",
    }
    return decision(tick=tick, offer=offer, **until | more)

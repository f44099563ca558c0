"""Why a customer got an offer, or did not: told from the files of a run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from pipelines.explain_story.books import Books, books_of
from pipelines.explain_story.odds import odds, whose_reason
from pipelines.explain_story.read import (
    groups_of,
    known_of,
    of_its_kind,
    rows_of,
    whose,
    with_evidence,
    with_what_was_null,
    with_what_went_out,
    written,
)
from pipelines.explain_story.values import Row
from pipelines.explain_story.why_not import Asked
from pipelines.explained import Story
from pipelines.failures import Failure, UnknownSubjectError, outputs_needed
from pipelines.report import instant
from schemas.near_miss import near_miss
from schemas.playbook_levels import LEVELS
from schemas.visible import shortened, visible
from transforms.context.erasure.tombstones import salted
from transforms.shell.pseudonym_key import KEY_VARIABLE, key_in_environment

LAST = "9999"
"""Later than any instant in RFC 3339, which sort as text."""


class UnknownDecisionError(Failure):
    """None of a subject's decisions has such an id."""


@dataclass(frozen=True)
class Question:
    """What to tell about a subject.

    Attributes:
        at: Milliseconds; nothing after it is told. None: all is.
        decision: The id, or how it begins, of the decision to explain; None for the last.
        why_not: An offer that the subject did not get; None for none.
        playbook: Where the playbook of the run is now; None if it is where the run found it.
    """

    at: int | None = None
    decision: str | None = None
    why_not: str | None = None
    playbook: str | None = None


def explain(out: str, subject: str, at: int | None = None, question: Question | None = None) -> Story:
    """Read what a run wrote about a subject.

    Args:
        out: The directory of the run's outputs.
        subject: KIND/ID, or the id of a subscriber, whatever is in it.
        at: Milliseconds; nothing after it is told. By default all is.
        question: What else is asked; its `at` goes before.

    Raises:
        NoOutputsError: the run's Parquet outputs are not there.
        UnknownSubjectError: nothing at all is known of the subject.
        UnknownDecisionError: it has no such decision.
        UnknownOfferError: there is no such offer, as far as is known.
        OtherPlaybookError: the playbook that was given is not that of the run.
        LoadErrors: it cannot be read.
    """
    asked = question or Question(at)
    until = LAST if asked.at is None else instant(asked.at)
    with outputs_needed(out):
        books = books_of(out, asked.playbook)
        kind, name, everything, receipts = _found(out, subject)
        contexts, transitions, decisions = ([row for row in rows if row["tick"] <= until] for rows in everything)
        decisions = with_what_went_out(out, decisions)
        chosen = _chosen(out, f"{kind}/{name}", decisions, asked)
        known = known_of(out, decisions if asked.why_not else [*filter(None, [chosen])], books)
        why_not = _why_not(out, (kind, name), until, asked.why_not, decisions, known, books) if asked.why_not else None
        context = of_its_kind(out, kind, contexts[-1]) if contexts else None
        explained = with_what_was_null(out, chosen) if chosen else None
    if explained:
        explained["told"] = [*whose_reason(explained), *odds(explained, books.by_hash.get(explained["playbook_hash"]))]
    met = known[chosen["decision_id"]].met() if chosen and chosen["decision_id"] in known else []
    transitions = with_evidence(transitions)
    erasure = _last_erasure([row for row in receipts if row["tick"] <= until])
    return Story(
        f"{kind}/{name}", context, _members(transitions), transitions, decisions, *erasure, explained, met, why_not
    )


def _chosen(out: str, subject: str, decisions: Sequence[Row], asked: Question) -> Row | None:
    """Return the decision to explain: not what withdrew one, but that.

    Raises:
        UnknownDecisionError: there is none of that id.
    """
    last = decisions[-1]["decision_id"] if decisions else ""
    wanted = last if asked.decision is None else asked.decision
    found = [row for row in decisions if wanted and row["decision_id"].startswith(wanted)]
    ids = {row["decision_id"] for row in found}
    if asked.decision is not None and len(ids) != 1:
        raise UnknownDecisionError(visible(_no_decision(out, subject, decisions, asked, sorted(ids))))
    return next((row for row in found if row["action"] != "withdrawn"), found[0] if found else None)


def _no_decision(out: str, subject: str, decisions: Sequence[Row], asked: Question, ids: Sequence[str]) -> str:
    wanted = shortened(asked.decision or "")
    if ids:
        return f"`{wanted}` is how {len(ids)} decisions about {subject} begin: {', '.join(ids[:5])}; give more of it"
    what = f"no decision `{wanted}` about {subject}"
    other = whose(out, wanted) if wanted else None
    if other is None:
        hint = near_miss(wanted, {row["decision_id"] for row in decisions}, 3)
        return "; ".join(
            filter(None, [what, hint, "ids are in brackets where `segone explain` lists decisions, and in decisions.*"])
        )
    told = f"{other['subject_kind']}/{other['subject']}"
    when = f" of {other['tick']}, after --at: give a later one" if told == subject else f" about {told}: ask about that"
    return f"{what}; there is one{when}"


def _why_not(
    out: str, who: tuple[str, str], until: str, offer: str, decisions: Sequence[Row], known: Any, books: Books
) -> dict[str, Any]:
    kind, name = who
    groups = groups_of(kind, name, decisions) if kind == LEVELS[0] else {}
    latest, happened = {}, {}
    for level, one in {kind: name, **groups}.items():
        contexts, transitions, _ = written(out, level, one)
        latest[f"{level}/{one}"] = next((row for row in reversed(contexts) if row["tick"] <= until), None)
        happened[f"{level}/{one}"] = with_evidence([row for row in transitions if row["tick"] <= until])
    return Asked(f"{kind}/{name}", offer, until, decisions, known, books, latest, happened).answer()


def _found(out: str, subject: str) -> tuple[str, str, list[list[Row]], list[Row]]:
    """Return kind and id of a subject, and what was written of it: its outputs and receipts.

    Raises:
        UnknownSubjectError: nothing, and which other subjects have that id.
    """
    kind, slash, name = subject.partition("/")
    named = [(kind, name)] if slash and kind in LEVELS else []
    for kind, name in [*named, (LEVELS[0], subject)]:
        everything, receipts = written(out, kind, name), _receipts(out, kind, name)
        if any(everything) or receipts:
            return kind, name, everything, receipts
    ids = {name for _, name in named} | {subject}
    others = [f"{kind}/{name}" for kind in LEVELS for name in sorted(ids) if any(written(out, kind, name))]
    told = "/".join(named[0]) if named else f"{LEVELS[0]}/{subject}"
    why = f"did you mean {' or '.join(map(visible, others))}?" if others else _unknown()
    raise UnknownSubjectError(f"{visible(out)} tells nothing of {visible(shortened(told))}: {why}")


def _receipts(out: str, kind: str, name: str) -> list[Row]:
    """Return the receipts of a subject's erasures; they are found with the key by which its id was hashed."""
    if not (key := key_in_environment()):
        return []
    mine = (pc.field("subject_kind") == kind) & (pc.field("subject") == salted(key, kind, name))
    return rows_of(f"{out}/receipts.parquet", mine)


def _unknown() -> str:
    with_key = f"; with the run's key in {KEY_VARIABLE}, `segone explain` tells of erasures"
    return f"no signals, not in the sample, or erased{'' if key_in_environment() else with_key}"


def _last_erasure(receipts: Sequence[Row]) -> tuple[str | None, dict[str, int]]:
    """Return the tick of the last erasure and what its stages removed; None and nothing if there was none."""
    if not receipts:
        return None, {}
    last = max(receipts, key=lambda row: row["tick"])
    removed = Counter[str]()
    for row in receipts:
        if (row["source"], row["id"]) == (last["source"], last["id"]):
            removed.update({one["table"]: one["rows"] for one in row["removed"]})
    return last["tick"], dict(sorted(removed.items()))


def _members(transitions: Sequence[Row]) -> dict[str, str]:
    since: dict[str, str] = {}
    for row in transitions:
        if row["event"] == "entered":
            since[row["name"]] = row["tick"]
        elif row["event"] == "exited":
            since.pop(row["name"], None)
    return since

"""What a changed playbook would have earned, told from the decisions of a run that explored and what became of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines import off_policy as off
from pipelines.differences import Difference, differences
from pipelines.estimate_choices import CONTACT, choices, earned, recorded_scope, unrecorded
from pipelines.explain_story.books import books_of
from pipelines.failures import Failure, outputs_needed
from pipelines.output_files import place_of
from pipelines.reported import outcomes_in
from pipelines.summary import table
from pipelines.validate import load_checked
from schemas.playbook import Playbook
from schemas.visible import visible
from transforms.arrays.arrow_columns import numbered, replaced
from transforms.compiler.load import load_plans
from transforms.compiler.offer_definitions import OfferPlan
from transforms.compiler.offer_plan import load_offers

CHANGEABLE = ("eligible", "value", "cost", "p_accept", "priority", "share", "at_a_loss", "describe", "owner")
"""What an offer may say otherwise: what else it says decides what is in a log, or what customers see."""

_COLUMNS = (
    *("decision_id", "subject_kind", "root_kind", "root", "recipient", "trigger", "tick", "action", "offer", "channel"),
    *("propensity", "evidence", "segments", "context", "candidates", "playbook_hash"),
)
_HINT = "leave it as it was, or run both and compare them with `segone backtest`"


class NotEstimableError(Failure):
    """The log of a run does not tell what a changed playbook would have earned."""


@dataclass(frozen=True)
class Estimated:
    """What two playbooks earn a decision.

    Attributes:
        old: The playbook of the run.
        new: The changed one.
        differences: What it says otherwise.
        counts: Decisions: `sent` by the run, and of these `compared`: `same` (both choose the same), `other`,
            `nothing` (the new one would send nothing); `beyond`, left out: the run could not have chosen what the new
            one would; `unsent`: the run sent nothing, where the new one would. And `reported`: of how many of those
            compared there is an outcome; `refused`: records of outcomes that are none.
        effective: How many decisions of the new playbook itself would tell as much.
        estimates: By name: `a`, `b_ips`, `b_snips`, `gain`.
    """

    old: Playbook
    new: Playbook
    differences: Sequence[Difference]
    counts: Mapping[str, int]
    effective: float
    estimates: Mapping[str, off.Estimate]

    def record(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        sides = {
            name: {"file": book.file, "playbook": book.playbook, "version": book.version, "hash": book.content_hash}
            for name, book in (("a", self.old), ("b", self.new))
        }
        told = {"differences": [one.record() for one in self.differences], "decisions": dict(self.counts)}
        return {
            **sides,
            **told,
            "effective": self.effective,
            "earned": {name: one.record() for name, one in self.estimates.items()},
        }

    def text(self) -> str:
        """Return it as text."""
        counts, names = self.counts, _NAMES
        lines = [
            f"{side}  {book.file}: {book.playbook} version {book.version}"
            for side, book in (("A", self.old), ("B", self.new))
        ]
        size = len(self.differences)
        lines += ["one difference in what they say" if size == 1 else f"{size:,} differences in what they say", ""]
        lines += [table(("decisions", ""), [(words, counts[name]) for name, words in _COUNTED.items()]), ""]
        rows = [(names[name], *_numbers(one)) for name, one in self.estimates.items()]
        lines += [table(("earned a decision, worth what A says", "estimate", "error", "from", "to"), rows)]
        lines += [
            "",
            "from, to: 95 % interval. SNIPS is the one to go by; where IPS is far from it, there is too little",
        ]
        lines += [f"to go by: as much as {self.effective:,.0f} decisions of B itself"]
        return "\n".join(map(visible, "\n".join(lines).split("\n"))) + "\n"


_COUNTED = {
    "sent": "sent by A",
    "beyond": "left out: A could not have chosen what B would",
    "same": "compared: A chose what B would",
    "other": "compared: A chose something else",
    "nothing": "compared: B would send nothing",
    "reported": "of these with an outcome",
    "unsent": "not compared: A sent nothing, B would",
    "refused": "records that are no outcomes",
}
_NAMES = {"a": "A, as it was", "b_ips": "B, IPS", "b_snips": "B, SNIPS", "gain": "B - A, SNIPS"}


def estimate(changed: str, out: str, outcomes: Sequence[str], playbook: str | None = None) -> Estimated:
    """Estimate what a changed playbook would have earned a decision.

    Args:
        changed: The playbook that is asked about.
        out: The Parquet outputs of a run of the one that decided, with exploration.
        outcomes: Files of `outcome` signals about its decisions, or patterns of them.
        playbook: Where the run's playbook is, if it is no longer where the run found it.

    Raises:
        NoOutputsError: `out` holds no outputs.
        LoadErrors: a playbook cannot be read, or has mistakes; a file of outcomes does not fit.
        OtherPlaybookError: `playbook` is not that of the run.
        NotEstimableError: the log does not tell.
        NoOutcomesError: there are no files of outcomes, or they cannot be read.
    """
    with outputs_needed(out):
        decisions, old = _decisions(out), _book_of(out, playbook)
    new, _ = load_checked(changed)
    found = _comparable(old, new)
    was, now = load_offers(old), load_offers(new)
    for book, policy in ((new, now), (old, was)):
        for offer, name in unrecorded(was, policy):
            told = f"`offers.{offer}` of {book.file} reads `{name}`, which decisions do not record for its triggers"
            raise NotEstimableError(f"{visible(told)}: {_HINT}")
    said, refused = outcomes_in(outcomes)
    counts, logged = _compared(was, now, decisions, said)
    estimates = {"a": off.on_policy(logged), "b_ips": off.ips(logged), "b_snips": off.snips(logged)}
    estimates["gain"] = off.gain(logged)
    return Estimated(old, new, found, counts | {"refused": refused}, logged.effective, estimates)


def _compared(
    was: OfferPlan, now: OfferPlan, decisions: pa.Table, said: pl.DataFrame
) -> tuple[dict[str, int], off.Logged]:
    """Return how many decisions are of which kind, and those that can be compared.

    Raises:
        NotEstimableError: there are none, or nobody said what became of them.
    """
    chosen = choices(was, now, decisions)
    sent = pc.equal(decisions["action"], "offer").to_numpy()
    beyond = (chosen["chance"] == 0).fill_null(False).to_numpy()
    if not (kept := sent & ~beyond).any():
        why = "of all that B would choose nothing could have been chosen by A" if sent.any() else "nothing was sent"
        raise NotEstimableError(f"nothing to go by: {why}; say `policy.explore` in the playbook of A")
    compared, theirs = decisions.filter(pa.array(kept)), chosen.filter(kept)
    ids = pl.DataFrame({"decision_id": compared["decision_id"].to_pylist()})
    accepted = ids.join(said, on="decision_id", how="left", maintain_order="left")["accepted"]
    if not (reported := len(accepted) - accepted.null_count()):
        told = "no outcome is about a decision that can be compared"
        raise NotEstimableError(f"{told}: give `outcome` signals with the `decision_id` of offers of the run")
    scope, offers = recorded_scope(was, compared), compared["offer"].to_pylist()
    logged, counts = _logged(compared, theirs, earned(was, offers, accepted.fill_null(False), scope))
    counts |= {"sent": int(sent.sum()), "beyond": int((sent & beyond).sum()), "reported": reported}
    return counts | {"unsent": int((~sent & chosen["offer"].is_not_null().to_numpy()).sum())}, logged


def _logged(decisions: pa.Table, chosen: pl.DataFrame, rewards: off.Floats) -> tuple[off.Logged, dict[str, int]]:
    """Return decisions with the weights of what the new policy would choose, and how many are of which kind.

    Where it would send nothing it earns nothing, for sure.
    """
    nothing = chosen["offer"].is_null().to_numpy()
    mine = (pl.Series(decisions[name].to_pylist(), dtype=pl.String) == chosen[name] for name in CONTACT)
    same = np.logical_and(*((one.fill_null(False).to_numpy()) for one in mine))
    weights = np.where(same, 1 / decisions["propensity"].to_numpy(), np.where(nothing, 1.0, 0.0))
    counts = {"same": int(same.sum()), "nothing": int(nothing.sum()), "other": int((~same & ~nothing).sum())}
    return off.Logged(rewards, weights, numbered(decisions["root_kind"], decisions["root"]), nothing), counts


def _decisions(out: str) -> pa.Table:
    """Return the decisions of a run that looked at candidates, tick in ms.

    Raises:
        NotEstimableError: they tell no propensity.
    """
    path = place_of(Path(out) / "decisions.parquet")
    if "propensity" not in pq.read_schema(path).names:
        raise NotEstimableError(f"decisions in {visible(out)} tell no `propensity`: run the playbook again")
    asked = pc.field("action").isin(["offer", "no_offer", "outranked", "deferred"]) & pc.field("recipient").is_valid()
    found = pq.read_table(path, columns=[*_COLUMNS], filters=asked)
    return replaced(found, "tick", found["tick"].cast(pa.int64()))


def _book_of(out: str, given: str | None) -> Playbook:
    """Return the one playbook of a run."""
    books = books_of(out, given)
    if len(books.told) > 1:
        told = f"{visible(out)} was made with {len(books.told)} versions of a playbook"
        raise NotEstimableError(f"{told}: run one of them, with its file in place of the directory")
    if books.missing or not books.by_hash:
        raise NotEstimableError(f"{books.missing}: give the playbook of the run with `--playbook`")
    (book,) = books.by_hash.values()
    return book


def _comparable(old: Playbook, new: Playbook) -> list[Difference]:
    """Return what two playbooks say differently, if decisions of one tell what the other would choose.

    Raises:
        NotEstimableError: they do not, with all that is in the way.
    """
    found = differences(old, new)
    wrong = [one for one in found if not _changeable(one)]
    if not wrong and any(plan.keys != load_plans(new)[level].keys for level, plan in load_plans(old).items()):
        wrong = [one for one in found if one.path[0] == "let"]
    if wrong:
        places = [side.where for one in wrong if (side := one.new or one.old)]
        names = [f"`{'.'.join(map(str, one.path))}` {one.change}" for one in wrong]
        told = [visible(f"{place}: {name}") for place, name in zip(places, names, strict=True)]
        what = f"what that brings is in no log of the run: of an offer only {', '.join(CHANGEABLE[:7])} may be other"
        raise NotEstimableError("\n".join([*told, f"{what}; {_HINT}"]))
    return found


def _changeable(one: Difference) -> bool:
    path = one.path
    if path[0] == "offers":
        return (len(path) == 2 and one.change == "removed") or (len(path) > 2 and path[2] in CHANGEABLE)
    return path[0] in ("version", "effective_from", "priors", "let") or path[:2] == ("policy", "explore")


def _numbers(one: off.Estimate) -> tuple[str, ...]:
    return tuple(f"{value:,.4f}" for value in (one.value, one.error, *one.interval))

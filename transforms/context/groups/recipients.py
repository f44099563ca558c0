"""To whom a trigger is addressed: the contact root whose ledger decides, and the subscriber who would be contacted."""

import polars as pl

from schemas.playbook_levels import GROUPS
from transforms.compiler.context_plan import ContextPlan
from transforms.context.groups import roots
from transforms.context.groups.membership import Identity
from transforms.context.groups.people import present_at
from transforms.context.groups.recipient_facts import in_reach
from transforms.context.state.shard_state import ShardState

ADDRESS = dict.fromkeys(("root_kind", "root", "recipient", "household", "sme"), pl.String) | {"moved_until": pl.Int64}
MOVES, TRIGGERED = "moves", "triggered"
"""Names under which a memory keeps `roots.MOVES`, and the last trigger of each subscriber."""


def of_lone_subscribers(triggers: pl.DataFrame) -> pl.DataFrame:
    """Address triggers of subscribers where a playbook knows no groups: each is its own contact root.

    Args:
        triggers: Column subject.

    Returns:
        The columns of `ADDRESS`.
    """
    nothing = {kind: pl.lit(None, pl.String) for kind in GROUPS} | {"moved_until": pl.lit(None, pl.Int64)}
    return triggers.select(root_kind=pl.lit(roots.SUBSCRIBER), root="subject", recipient="subject", **nothing)


def moves_in(
    plan: ContextPlan, memory: ShardState, moved: pl.DataFrame, triggers: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the changes of contact roots that bar a subscriber at some tick of the span, and the last triggers.

    Args:
        plan: The subscribers' plan.
        memory: Closed at the end of the span; moves and last triggers are those at its start.
        moved: As `roots.root_changes`.
        triggers: Columns code and tick, those of the span.

    Returns:
        Moves as `roots.MOVES`; of the last trigger of each subject code and tick, while that may bar a move.
    """
    ticks = triggers.select("code", "tick")
    every = pl.concat([memory.groups.get(TRIGGERED, ticks.clear()), ticks])
    new = roots.moves_of(moved, every, plan.move_bars)
    last = every.group_by("code").agg(pl.col("tick").max()).sort("code")
    assert memory.closed is not None
    moves = pl.concat([memory.groups.get(MOVES, new.clear()), new]).sort("code", "time")
    return moves, last.filter(pl.col("tick") > memory.closed - plan.move_bars)


def of_subscribers(identity: Identity, moves: pl.DataFrame, triggers: pl.DataFrame) -> pl.DataFrame:
    """Address triggers of subscribers, by the groups that they are in just before the tick.

    Args:
        identity: Who is in which group.
        moves: As `roots.MOVES`.
        triggers: Columns code, tick, subject.

    Returns:
        The columns of `ADDRESS`.
    """
    codes, before = triggers["code"].to_numpy(), triggers["tick"].to_numpy() - 1
    groups = roots.groups_at(identity.stays, codes, before)
    return roots.root_of(groups, triggers["subject"]).with_columns(
        triggers["subject"].alias("recipient"),
        groups["household"],
        groups["sme"],
        roots.barred_until(moves, codes, before).alias("moved_until"),
    )


def of_groups(plan: ContextPlan, people: pl.DataFrame, facts: pl.DataFrame, triggers: pl.DataFrame) -> pl.DataFrame:
    """Address triggers of groups: to the first present who is in reach, else the first, in order of roles, then of ids.

    Args:
        plan: The group's plan.
        people: As `people.PEOPLE`.
        facts: As `recipient_facts.FACTS`.
        triggers: Columns code, tick, subject, trigger.

    Returns:
        The columns of `ADDRESS`; recipient NULL, and the group its own root, where nobody is there.
    """
    asked = triggers.with_row_index("row").select("row", "code", "tick", "trigger")
    there = present_at(people, asked).with_columns(rank=_rank(plan)).drop_nulls("rank")
    there = there.with_columns(reached=in_reach(plan, facts, there))
    first = there.sort("row", ~pl.col("reached"), "rank", "subscriber").group_by("row", maintain_order=True).first()
    found = asked.select("row").join(first, "row", "left", maintain_order="left")
    at_home = pl.lit(plan.level != "household") & pl.col("household").is_not_null()
    return found.with_columns(triggers["subject"]).select(
        root_kind=pl.when(at_home).then(pl.lit("household")).otherwise(pl.lit(plan.level)),
        root=pl.when(at_home).then("household").otherwise("subject"),
        recipient="subscriber",
        household="household",
        sme="sme",
        moved_until=pl.when(pl.col("moved_until") > pl.col("tick")).then("moved_until"),
    )


def _rank(plan: ContextPlan) -> pl.Expr:
    """Return the place of a member's role in the order of the trigger, NULL where it has none."""
    rank = pl.lit(0, pl.Int64)
    for trigger, order in plan.roles.items():
        places = {role: place for place, role in enumerate(order) if role is not None}
        others = len(places) if None in order else None
        mine = pl.col("role").replace_strict(places, default=others, return_dtype=pl.Int64)
        rank = pl.when(pl.col("trigger") == trigger).then(mine.cast(pl.Int64)).otherwise(rank)
    return rank

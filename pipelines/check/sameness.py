"""The invariant of sameness: in whatever order, calls and copies signals come, the decisions are the same."""

import random

from pipelines.check.played import Played, Row
from pipelines.check.world import World

NAME = "sameness"
SAYS = "the same signals make the same decisions: in any order, twice, in any calls, after any crash between them"


def cuts_of(world: World, played: Played, seed: str) -> tuple[int, ...]:
    """Return watermarks at which a world may be cut into calls: around decisions and signals, or tick by tick."""
    chance = random.Random(f"{seed}/cuts")
    remembered = [row["tick"] for row in played.decisions if row["action"] in ("deferred", "offer", "holdout")]
    waits = [row["tick"] for row in played.decisions if row["action"] == "deferred"]
    pools = [pool for pool in (waits, remembered, [world.acts(one) for one in world.sent]) if pool]
    if not pools:
        return ()
    if chance.random() < 0.3:
        first = chance.choice(pools[0])
        return tuple(first + n * world.tick for n in range(-1, 4))
    return tuple(chance.choice(pool) + chance.choice((-1, 0, 0, 0)) * world.tick for pool in pools)


def first_difference(one: Played, other: Played) -> tuple[Row, str] | None:
    """Return the first decision that only one of two plays made, and how it differs."""
    mine, theirs = (dict(zip(map(_key, played.decisions), played.decisions, strict=True)) for played in (one, other))
    differing = [key for key in mine.keys() | theirs.keys() if _text(mine.get(key)) != _text(theirs.get(key))]
    if not differing:
        return None
    key = min(differing)
    if key not in theirs:
        return mine[key], "it is made only if all comes at once"
    if key not in mine:
        return theirs[key], "it is not made if all comes at once"
    names = [name for name in mine[key] if repr(mine[key][name]) != repr(theirs[key][name])]
    return theirs[key], f"if all comes at once its {', '.join(names)} differ"


def _key(row: Row) -> tuple[int, str, bool]:
    return row["tick"], row["decision_id"], row["action"] == "withdrawn"


def _text(row: Row | None) -> str:
    return repr(sorted(row.items())) if row is not None else ""

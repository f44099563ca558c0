"""What a group loses: each epoch holds just the rows of those who had not left, whatever the numbers."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from transforms.context.features.timeline import EvaluationPoints, points_of
from transforms.context.grid import Grid
from transforms.context.groups.epochs import Epochs, consents_of, keep_rest

TICK = 10
CODES, MEMBERS = st.integers(0, 2), st.integers(1, 2)
LEAVES = st.lists(st.tuples(CODES, MEMBERS, st.integers(1, 5).map(lambda n: n * TICK)), max_size=5, unique=True)
ROWS = st.lists(st.tuples(CODES, st.integers(0, 59), MEMBERS), max_size=12)

CONSENTS = st.dictionaries(st.tuples(CODES, MEMBERS, st.integers(0, 6).map(lambda n: n * TICK)), st.booleans())


def frame(names: tuple[str, ...], rows: list[tuple[int, ...]]) -> pl.DataFrame:
    """Return sorted rows of int64 columns."""
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.Int64), orient="row").sort(names)


@given(LEAVES, ROWS)
def test_each_epoch_holds_the_rows_of_those_who_had_not_left(
    leaves: list[tuple[int, int, int]], rows: list[tuple[int, int, int]]
) -> None:
    epochs = Epochs(Grid(TICK), frame(("code", "member", "tick"), leaves))
    laid = epochs.lay(frame(("code", "time", "member"), rows))
    for code in range(3):
        for tick in range(TICK, 7 * TICK, TICK):
            number = int(epochs.of(EvaluationPoints(np.array([code]), np.array([tick]))).codes[0])
            seen = laid.filter((pl.col("code") == number) & (pl.col("time") < tick)).select("time", "member").rows()
            gone = [(who, left) for where, who, left in leaves if where == code and left <= tick]
            there = [
                (time, member)
                for where, time, member in rows
                if where == code and time < tick and not any(who == member and left > time for who, left in gone)
            ]
            assert sorted(seen) == sorted(there)


@given(LEAVES, ROWS, CONSENTS, st.integers(0, 5).map(lambda n: n * TICK))
def test_each_epoch_holds_the_rows_of_those_who_consent(
    leaves: list[tuple[int, int, int]],
    rows: list[tuple[int, int, int]],
    told: dict[tuple[int, int, int], bool],
    closed: int,
) -> None:
    said = frame(("code", "member", "time"), list(told)).with_columns(
        consents=pl.Series([told[k] for k in sorted(told)])
    )
    leaves = [leave for leave in leaves if leave[2] > closed]
    where = frame(("code", "member", "tick"), leaves)
    every, asked = Epochs(Grid(TICK), where), Epochs(Grid(TICK), where, consents_of(Grid(TICK), said, closed))
    mine = frame(("code", "time", "member"), rows + [(code, 5, 0) for code in range(3)])

    def seen(epochs: Epochs, code: int, tick: int) -> list[tuple[int, int]]:
        number = int(epochs.of(EvaluationPoints(np.array([code]), np.array([tick]))).codes[0])
        return sorted(epochs.lay(mine).filter(pl.col("code") == number).select("time", "member").rows())

    for code in range(3):
        for tick in range(closed + TICK, 8 * TICK, TICK):
            last = {who: told[c, who, time] for c, who, time in sorted(told) if c == code and time < tick}
            there = [(time, who) for time, who in seen(every, code, tick) if who == 0 or last.get(who)]
            assert seen(asked, code, tick) == there


@given(LEAVES)
def test_numbers_lead_back_to_their_groups(leaves: list[tuple[int, int, int]]) -> None:
    grid = Grid(TICK)
    epochs = Epochs(grid, frame(("code", "member", "tick"), leaves))
    every = points_of(grid, np.array([(code << 40) + n for code in range(3) for n in range(7)]))
    numbered = epochs.of(every)
    assert (np.diff(numbered.codes) >= 0).all()
    codes, ticks = epochs.within(numbered.codes, numbered.ticks)
    assert codes.tolist() == every.codes.tolist()
    assert ticks.tolist() == every.ticks.tolist()


def test_what_is_kept_after_the_last_leave() -> None:
    rows = frame(("code", "time", "member"), [(0, 5, 1), (0, 25, 1), (0, 5, 2), (1, 5, 1)])
    leaves = frame(("code", "member", "tick"), [(0, 1, 20)])
    assert keep_rest(rows, leaves).rows() == [(0, 5, 2), (0, 25, 1), (1, 5, 1)]


def test_what_lasts_is_cut_at_the_bounds_of_its_epoch() -> None:
    epochs = Epochs(Grid(TICK), frame(("code", "member", "tick"), [(1, 7, 30)]))
    lasts = np.array([0, 1, 2, 3]), np.full(4, 10), np.full(4, 50)  # the second group has the epochs 1 and 2
    assert np.stack(epochs.clip(*lasts), axis=1).tolist() == [[0, 10, 50], [1, 10, 30], [1, 30, 50], [2, 10, 50]]

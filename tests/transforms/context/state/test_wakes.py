"""The next tick at which something may change: the least of all that are noted."""

import numpy as np

from transforms.context.state.wakes import Wakes


def test_the_first_of_all_counts() -> None:
    wakes = Wakes(3)
    assert wakes.first is None
    wakes.at(np.array([0, 2, 0]), np.array([50, 30, 40]))
    assert (wakes.first, wakes.ticks[0]) == (30, 40)
    wakes.all_at(20)
    wakes.all_at(60)
    assert wakes.first == 20

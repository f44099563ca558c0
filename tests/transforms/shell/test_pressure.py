"""Reading waits while stages act late, and never for ever."""

from transforms.shell.pressure import MOST_LATE, STALE, Pressure


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        """Start at zero."""
        self.now = 0.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now


def pressure() -> tuple[Pressure, Clock]:
    """Return one that was told of ticks 1,000 to 10,000, one a second."""
    clock = Clock()
    made = Pressure(clock)
    for second in range(1, 11):
        clock.now = float(second)
        made.told(1_000 * second)
    return made, clock


def test_nothing_is_known_at_first() -> None:
    assert not Pressure(Clock()).is_high()


def test_a_stage_that_keeps_up_does_not_matter() -> None:
    made, _ = pressure()
    made.acts("decide_offers", 9_500)
    assert not made.is_high()


def test_a_stage_is_late_until_it_acts_in_time() -> None:
    made, clock = pressure()
    made.acts("track_subscribers", 10_000)
    made.acts("decide_offers", 1_000)
    assert made.is_high()
    clock.now += STALE / 2
    made.acts("decide_offers", 10_000)
    assert not made.is_high()


def test_a_tick_between_two_watermarks_can_act_at_the_second() -> None:
    made, clock = pressure()
    clock.now = 3.0 + MOST_LATE
    made.acts("decide_offers", 2_001)
    assert not made.is_high()
    clock.now += 0.1
    made.acts("decide_offers", 2_001)
    assert made.is_high()


def test_a_silent_stage_holds_nobody() -> None:
    made, clock = pressure()
    made.acts("decide_offers", 1_000)
    assert made.is_high()
    clock.now += STALE
    assert not made.is_high()


def test_a_stage_that_is_late_holds_all_through_its_call() -> None:
    made, clock = pressure()
    made.acts("decide_offers", 1_000)
    with made.call("decide_offers"):
        clock.now += 10 * STALE
        assert made.is_high()
    clock.now += STALE / 2
    assert made.is_high()
    clock.now += STALE
    assert not made.is_high()


def test_another_stream_begins_anew() -> None:
    made, _ = pressure()
    made.acts("decide_offers", 1_000)
    made.forget()
    assert not made.is_high()


def test_what_was_told_long_ago_is_forgotten() -> None:
    clock = Clock()
    made = Pressure(clock)
    for second in range(10_000):
        clock.now = float(second)
        made.told(second)
    made.acts("decide_offers", 9_999 - int(MOST_LATE) - 1)
    assert made.is_high()

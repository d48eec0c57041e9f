"""When a stream that is made anew counts as failing again and again."""

from __future__ import annotations

from millpond._failure_streak import FailureStreak


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_streams_that_are_welcomed_and_break_at_once_are_failures_in_a_row() -> None:
    clock = Clock()
    streak = FailureStreak(clock)
    for n in range(1, 5):
        streak.welcomed()
        clock.now += 4.9
        streak.welcomed()
        assert streak.ended() == n


def test_a_stream_that_goes_on_for_long_after_its_welcome_ends_the_streak() -> None:
    clock = Clock()
    streak = FailureStreak(clock)
    streak.ended()
    streak.welcomed()
    clock.now += 5
    assert streak.ended() == 1
    # The next one waits for its welcome for long.
    clock.now += 60
    assert streak.ended() == 2


def test_what_a_stream_is_for_ends_the_streak() -> None:
    streak = FailureStreak()
    streak.ended()
    streak.progressed()
    assert streak.ended() == 1

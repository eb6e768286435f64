"""Too many invalid messages mean that the consumer is wrong, a few that the messages are."""

import pytest

from workers.runtime.verdicts import DeadLetterCap, TooManyDeadLetters


def test_a_few_messages_stop_nothing_even_if_all_are_invalid():
    cap = DeadLetterCap()
    cap.check(99, 99)


def test_more_than_half_of_a_hundred_stop_the_consumer():
    with pytest.raises(TooManyDeadLetters, match="51 of the last 100"):
        DeadLetterCap().check(100, 51)


def test_exactly_half_is_borne():
    DeadLetterCap().check(100, 50)


def test_small_batches_add_up():
    cap = DeadLetterCap()
    for _ in range(9):
        cap.check(10, 6)
    with pytest.raises(TooManyDeadLetters):
        cap.check(10, 6)


def test_what_is_long_past_does_not_count():
    cap = DeadLetterCap()
    cap.check(99, 99)
    for _ in range(12):
        cap.check(100, 40)


def test_a_good_past_does_not_hide_a_bad_present():
    cap = DeadLetterCap()
    cap.check(1_000_000, 0)
    with pytest.raises(TooManyDeadLetters):
        for _ in range(10):
            cap.check(10, 10)


@pytest.mark.parametrize(("share", "window"), [(0, 100), (1, 100), (0.5, 0)])
def test_a_cap_that_caps_nothing_is_refused(share, window):
    with pytest.raises(ValueError, match="share"):
        DeadLetterCap(share, window)

"""Too many invalid messages mean that the consumer is wrong, a few that the messages are."""

import pytest

from workers.runtime.verdicts import DeadLetterCap, Tally, TooManyDeadLetters, newest_tally


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


def test_the_next_one_goes_on_where_the_last_one_stopped():
    first = DeadLetterCap()
    first.check(99, 99)
    second = DeadLetterCap()
    second.resume(first.tally(7))
    with pytest.raises(TooManyDeadLetters, match="100 of the last 100"):
        second.check(1, 1)


def test_who_has_counted_himself_knows_better_than_a_note():
    cap = DeadLetterCap()
    cap.check(50, 0)
    cap.resume(Tally(99, 99, 1))
    cap.check(1, 1)


def test_a_batch_that_is_mostly_good_is_borne_whatever_was_before():
    cap = DeadLetterCap()
    cap.resume(Tally(100, 100, 1))
    cap.check(10, 5)
    with pytest.raises(TooManyDeadLetters):
        cap.check(10, 6)


def test_what_the_database_refuses_counts_too():
    cap = DeadLetterCap()
    cap.check(100, 10)
    cap.check_more(40)
    with pytest.raises(TooManyDeadLetters, match="51 of the last 100"):
        cap.check_more(1)


def test_of_several_notes_the_newest_counts_and_what_is_none_is_passed_by():
    newer, older = Tally(5, 1, 20), Tally(9, 9, 10)
    wrong = ["", "metadata", "[]", "{}", '{"messages":1,"invalid":2,"at_ms":99}']
    wrong += ['{"messages":true,"invalid":0,"at_ms":99}', "[" * 4000]
    assert newest_tally([*wrong, newer.text(), older.text()]) == newer
    assert newest_tally(wrong) is None


@pytest.mark.parametrize(("share", "window"), [(0, 100), (1, 100), (0.5, 0)])
def test_a_cap_that_caps_nothing_is_refused(share, window):
    with pytest.raises(ValueError, match="share"):
        DeadLetterCap(share, window)

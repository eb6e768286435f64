"""Who looks at the board has a pass that was signed, is not over and was not withdrawn."""

import time

import pytest

from control_plane.board import look, passes, serving
from control_plane.board.books import Books
from control_plane.board.passes import STAFF, WALL, BadPass

NOW = 1_800_000_000


def test_a_pass_says_whom_it_is_for_until_it_is_over():
    text = passes.sign(WALL, "lobby-1", NOW + 60)
    assert passes.read(text, NOW) == passes.Pass(WALL, "lobby-1", NOW + 60)
    with pytest.raises(BadPass):
        passes.read(text, NOW + 60)


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-1], lambda t: "x" + t, lambda t: "", lambda t: t + "~"]
)
def test_a_forged_pass_is_none(spoil):
    with pytest.raises(BadPass):
        passes.read(spoil(passes.sign(STAFF, "7", NOW + 60)), NOW)


def test_a_later_end_cannot_be_written_into_it():
    text = passes.sign(STAFF, "7", NOW + 60).replace(str(NOW + 60), str(NOW + 6000))
    with pytest.raises(BadPass):
        passes.read(text, NOW)


def _headers(text):
    return [(b"authorization", b"Bearer " + text.encode())]


def test_a_wall_that_was_withdrawn_is_dark(monkeypatch):
    text = passes.sign(WALL, "lobby", time.time() + 60)
    shown = look.Board()
    monkeypatch.setattr(look, "_board", shown)
    # Before the first look nobody knows which links are good.
    assert serving.admitted(_headers(text)) is None
    shown._database.books = Books([], {}, [], [], frozenset({"lobby"}))
    assert serving.admitted(_headers(text)) == WALL
    shown._database.books = Books([], {}, [], [], frozenset())
    assert serving.admitted(_headers(text)) is None


def test_only_one_bearer_is_read():
    good = passes.sign(STAFF, "7", time.time() + 60)
    assert serving.admitted(_headers(good)) == STAFF
    assert serving.admitted(_headers(good) * 2) is None
    assert serving.admitted([]) is None
    assert serving.admitted([(b"authorization", b"Bearer \xff")]) is None

"""The query of a poll: every wrong parameter is named."""

import pytest

from control_plane.snapshot.channel import BadParameter, Query, parse
from control_plane.snapshot.services import Audience


def test_a_complete_query_is_read():
    assert parse(b"audience=edge&after=12&wait_ms=25000") == Query(Audience.EDGE, 12, 25_000)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (b"after=0&wait_ms=0", "audience"),
        (b"audience=&after=0&wait_ms=0", "audience"),
        (b"audience=admin&after=0&wait_ms=0", "audience"),
        (b"audience=edge&audience=gateway&after=0&wait_ms=0", "audience"),
        (b"audience=edge&wait_ms=0", "after"),
        (b"audience=edge&after=-1&wait_ms=0", "after"),
        (b"audience=edge&after=1.5&wait_ms=0", "after"),
        (b"audience=edge&after=%C2%B2&wait_ms=0", "after"),
        (b"audience=edge&after=9007199254740992&wait_ms=0", "after"),
        (b"audience=edge&after=" + b"9" * 5000 + b"&wait_ms=0", "after"),
        (b"audience=edge&after=0", "wait_ms"),
        (b"audience=edge&after=0&wait_ms=25001", "wait_ms"),
        (b"audience=edge&after=0&wait_ms=soon", "wait_ms"),
        (b"audience=edge&after=0&wait_ms=0&debug=1", "debug"),
        (b"audience=edge&after=0&wait_ms=0&wait_ms=0", "wait_ms"),
    ],
)
def test_a_wrong_parameter_is_named(query, field):
    with pytest.raises(BadParameter) as refused:
        parse(query)
    assert refused.value.field == field

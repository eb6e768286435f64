"""Spans of Python's processes: what is followed, and that a receiver never holds anybody up."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from control_plane.config import problems, span_export, tracing
from control_plane.config.traced_requests import serve
from tests.e2e.otlp import Receiver, receiving
from tests.redis.waiting import until

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
FOLLOWED = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    before = tracing._url, tracing._service
    with receiving() as receiver:
        tracing._provider.cache_clear()
        tracing.configure(receiver.url, "tested")
        yield receiver
        receiver.open.set()
        tracing._provider().shutdown()
    tracing.configure(*before)
    tracing._provider.cache_clear()


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00",
        FOLLOWED[:-1] + "0",
        FOLLOWED + "-x",
        FOLLOWED.upper(),
        "01" + FOLLOWED[2:],
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        b"\xff" * 55,
    ],
)
def test_what_is_no_traceparent_or_not_followed_is_nothing(header):
    assert tracing.followed(header) == ""


def test_a_tail_of_an_outbox_line_is_a_traceparent():
    assert tracing.of_tail(f"{TRACE}-{SPAN}") == FOLLOWED
    for wrong in (None, 7, "", TRACE, f"{TRACE}-{SPAN}x", f"{'0' * 32}-{SPAN}"):
        assert tracing.of_tail(wrong) == ""


def test_a_span_is_a_child_and_hands_its_own_name_on(receiver):
    span = tracing.begin("work", FOLLOWED, tracing.CONSUMER, {"n": 1, "none": None, "text": "茶"})
    span.note(more__of__it="yes")
    span.end("it failed")
    tracing.flush()
    (told,) = receiver.of(TRACE)
    assert (told.name, told.kind, told.parent) == ("work", "consumer", SPAN)
    assert told.service == "sluice-tested"
    assert told.attributes == {"n": 1, "text": "茶", "more.of.it": "yes"}
    assert span.traceparent == f"00-{TRACE}-{told.id}-01"
    assert receiver.wrong == []


def test_without_a_receiver_the_trace_is_handed_on_as_it_is():
    span = tracing.Span(None, FOLLOWED)
    span.note(a=1)
    span.end()
    assert span.traceparent == FOLLOWED
    assert span.trace_id == TRACE


def test_without_a_receiver_opentelemetry_is_not_loaded():
    code = (
        "import sys; from control_plane.config import tracing\n"
        "tracing.configure('', 'x'); tracing.warm()\n"
        f"assert tracing.begin('x', '{FOLLOWED}').traceparent == '{FOLLOWED}'\n"
        "assert not [m for m in sys.modules if m.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_receiver_that_hangs_holds_nobody_up_and_what_waits_is_bounded(receiver):
    receiver.open.clear()
    tracing.begin("first", FOLLOWED).end()
    until(lambda: receiver.calls > 0, "the receiver hangs")
    # Were one of these to wait for it, the test would not end.
    for number in range(span_export.QUEUE_MAX + 500):
        tracing.begin(f"span {number}", FOLLOWED).end()
    (processor,) = tracing._provider()._active_span_processor._span_processors
    assert len(processor._batch_processor._queue) <= span_export.QUEUE_MAX
    receiver.open.set()


def request(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": "/", "headers": [*headers]}


async def _refusing(scope, receive, send):
    await send({"type": "http.response.start", "status": 404, "headers": []})
    scope["document"] = problems.document(404, "not_found", "No.")


@pytest.mark.parametrize("flag", ["00", "01"])
async def test_a_refusal_names_the_trace_that_the_request_came_with(flag):
    scope = request((b"traceparent", f"00-{TRACE}-{SPAN}-{flag}".encode()))
    await _run(scope)
    assert scope["document"]["trace_id"] == TRACE


async def test_a_request_without_a_trace_or_with_two_gets_one_of_its_own():
    header = (b"traceparent", FOLLOWED.encode())
    for scope in (request(), request(header, header), request((b"traceparent", b"x"))):
        await _run(scope)
        own = scope["document"]["trace_id"]
        assert own != TRACE
        assert len(own) == 32


async def test_a_followed_request_is_a_span_with_its_status(receiver):
    await _run(request((b"traceparent", FOLLOWED.encode())))
    tracing.flush()
    (told,) = receiver.of(TRACE)
    assert (told.kind, told.attributes["http.response.status_code"]) == ("server", 404)


async def _run(scope):
    async def receive():
        return {"type": "http.disconnect"}

    async def send(_message):
        pass

    await serve(_refusing, scope, receive, send)

"""`GET /board/now.json` and `/board/history.json`, for whoever shows a pass. Bare ASGI.

200 with the document, or with what the charts begin with · 401 the pass is missing, over or
withdrawn: the page renews it · 405 · 503 Prometheus is away. No session and no query for it: a
hundred viewers cost a hundred small answers.
"""

from typing import Any

from control_plane.board import look, passes, prometheus
from control_plane.config.bare_asgi import JSON_TYPE, Headers, Receive, Send, refuse, respond
from control_plane.metrics.registry import counter

NOW, HISTORY = "/board/now.json", "/board/history.json"
ANSWERS = counter("sluice_board_answers_total")


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Check the pass, then give what everybody gets."""
    if scope["method"] != "GET":
        await refuse(send, 405, "method_not_allowed", "Only GET.", [(b"allow", b"GET")])
        return
    await look.fresh()
    viewer = admitted(scope["headers"])
    if viewer is None:
        bearer = [(b"www-authenticate", b"Bearer")]
        await refuse(send, 401, "bad_token", "The pass is missing, over or withdrawn.", bearer)
        return
    ANSWERS.labels(viewer).inc()
    try:
        is_now = scope["path"] == NOW
        body = await (look.fresh_document() if is_now else look.fresh_history())
    except prometheus.Unanswered as error:
        await refuse(send, 503, "busy", str(error), [(b"retry-after", b"1")])
        return
    await respond(send, 200, [JSON_TYPE], body)


def answers(path: str) -> bool:
    """Whether the path is one of this application's."""
    return path in (NOW, HISTORY)


def admitted(headers: Headers) -> str | None:
    """STAFF or WALL, or None."""
    given = [value for name, value in headers if name == b"authorization"]
    if len(given) != 1 or not given[0].startswith(b"Bearer "):
        return None
    try:
        shown = passes.read(given[0].removeprefix(b"Bearer ").decode("ascii"))
    except (passes.BadPass, UnicodeDecodeError):
        return None
    if shown.kind == passes.WALL and not look.is_hung(shown.name):
        return None
    return shown.kind

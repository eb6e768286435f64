"""What a refusal has to look like, whoever gives it."""

import math

from tests.gateway.client import Answer

STATUS = {
    "limit_reached": 409,
    "sold_out": 410,
    "ended": 410,
    "not_started": 425,
    "bad_token": 401,
    "bad_request": 400,
    "not_found": 404,
    "challenge": 403,
    "denied": 403,
    "rate_limited": 429,
    "busy": 503,
}
WITH_WAIT = {"not_started", "rate_limited", "busy"}


def assert_refused(answer: Answer, code: str) -> None:
    """A problem document (RFC 9457) with outcome and status, and a wait where waiting helps."""
    problem = answer.json
    assert problem.get("code") == code, answer
    assert answer.status == problem["status"] == STATUS[code]
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:sluice:outcome:{code}"
    assert isinstance(problem["title"], str) and problem["title"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-length"] == str(len(answer.body))
    allowed = {"type", "title", "status", "code", "detail"}
    if code in WITH_WAIT:
        allowed.add("retry_after_ms")
        wait_ms = problem["retry_after_ms"]
        assert isinstance(wait_ms, int) and wait_ms >= 1
        assert int(answer.headers["retry-after"]) == max(1, math.ceil(wait_ms / 1000))
    else:
        assert "retry-after" not in answer.headers
    assert set(problem) <= allowed
    assert answer.headers.get("www-authenticate") == ("Bearer" if code == "bad_token" else None)

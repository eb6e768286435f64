"""Refusals as `application/problem+json` (RFC 9457)."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from control_plane.config import tracing

MEDIA_TYPE = "application/problem+json"


def document(status_code: int, code: str, title: str, **members: Any) -> dict[str, Any]:
    """The body of a refusal; `code` is what programs look at, `title` is for people."""
    if trace_id := tracing.current_trace_id.get():
        members["trace_id"] = trace_id
    return {
        "type": f"urn:sluice:problem:{code}",
        "title": title,
        "status": status_code,
        "code": code,
        **members,
    }


def response(status_code: int, code: str, title: str, **members: Any) -> JsonResponse:
    """A refusal outside of the REST framework."""
    body = document(status_code, code, title, **members)
    return JsonResponse(body, status=status_code, content_type=MEDIA_TYPE)


class Conflict(exceptions.APIException):
    """The request is well formed, but the state of the thing does not allow it."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = gettext_lazy("The state does not allow this.")
    default_code = "conflict"


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn every refusal of the REST framework into a problem document."""
    answer = drf_exception_handler(error, context)
    if answer is None:
        return None
    answer.content_type = MEDIA_TYPE
    if isinstance(error, exceptions.ValidationError):
        answer.data = document(
            answer.status_code, "invalid", _("Some fields are wrong."), errors=_named(answer.data)
        )
    elif isinstance(error, exceptions.APIException):
        # A ValidationError is the only one whose codes are not a single string.
        waits = _waiting(error)
        code = str(error.get_codes())
        answer.data = document(answer.status_code, code, str(error.detail), **waits)
    else:
        answer.data = _for_django(error, answer.status_code)
    return answer


def _for_django(error: Exception, status_code: int) -> dict[str, Any]:
    if isinstance(error, Http404):
        return document(status_code, "not_found", _("There is no such thing here."))
    assert isinstance(error, PermissionDenied), error
    return document(status_code, "permission_denied", _("You may not do this."))


def _named(errors: Any) -> Any:
    """Always by field: what is said about the whole body is DRF's `non_field_errors`."""
    return {"non_field_errors": errors} if isinstance(errors, list) else errors


def _waiting(error: exceptions.APIException) -> dict[str, int]:
    """Where waiting helps, for how long, as at the gateway."""
    wait_s: float | None = getattr(error, "wait", None)
    return {} if wait_s is None else {"retry_after_ms": int(wait_s * 1000)}

"""`ETag` and `If-Match` (RFC 9110 §8.8.3, §13.1.1): nobody writes over what he has not seen."""

import hashlib
import re
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

IF_MATCH = "If-Match"
# In the schema: one tag.
PATTERN = r'^(\*|"[!#-~]{1,64}")$'
_TAGS = re.compile(r'(?:W/)?"[!#-~]*"(?:\s*,\s*(?:W/)?"[!#-~]*")*')


class NoPrecondition(exceptions.APIException):
    """RFC 6585 §3."""

    status_code = status.HTTP_428_PRECONDITION_REQUIRED
    default_code = "if_match_required"
    default_detail = _("Send If-Match with the ETag of what you have read.")


class Changed(exceptions.APIException):
    """Somebody was faster."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_code = "changed"
    default_detail = _("It was changed since you read it. Read it again.")


def tag_of(data: Any) -> str:
    """The strong tag of a representation."""
    return f'"{hashlib.sha256(JSONRenderer().render(data)).hexdigest()[:32]}"'


def require_match(request: Request, data: Any) -> None:
    """`data` is what is there now, under a lock. Raises NoPrecondition, Changed, ValidationError.

    A weak tag never matches; `*` matches whatever is there.
    """
    given = request.headers.get("If-Match", "").strip()
    if not given:
        raise NoPrecondition
    if given == "*":
        return
    if not _TAGS.fullmatch(given):
        raise exceptions.ValidationError({"If-Match": [_("Must be ETags in quotes, or *.")]})
    if tag_of(data) not in re.split(r"\s*,\s*", given):
        raise Changed

"""The OpenAPI document: what every operation has in common is written here, once."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from control_plane.api import etags, idempotency
from control_plane.config.problems import MEDIA_TYPE

PROBLEM = "#/components/schemas/Problem"
STATUS_TEXTS = {
    "400": "Wrong fields, each named in `errors`; or a body that is not JSON.",
    "401": "No identity, or one that is not good any more.",
    "403": "Not with this identity: `missing_scope`, `staff_only`, `permission_denied`.",
    "404": "Not there, or somebody else's.",
    "405": "Not with this method.",
    "406": "Only JSON can be had.",
    "409": "The state does not allow it; or the same request is under way (`in_flight`).",
    "412": "It was changed since it was read.",
    "415": "Only JSON is taken.",
    "422": "The Idempotency-Key was used for another body.",
    "428": "If-Match is missing.",
    "429": "Too many requests: wait as long as `Retry-After` says.",
    "500": "A fault of ours. Whether it was done is not known.",
    "503": "Another server does not answer. The same request again is safe.",
}
ALWAYS = ("400", "405", "406", "429", "500")
OF_WRITES = ("409", "415", "422")
IDEMPOTENCY_KEY = OpenApiParameter(
    idempotency.HEADER,
    {"type": "string", "pattern": r"^[!-~]{1,255}$"},
    OpenApiParameter.HEADER,
    description="Yours, new for each thing you want done: a repeat gets the first answer.",
)
IF_MATCH = OpenApiParameter(
    etags.IF_MATCH,
    {"type": "string", "pattern": etags.PATTERN},
    OpenApiParameter.HEADER,
    required=True,
    description="The ETag of what was read, or `*`.",
)


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How a key is sent."""

    target_class = "control_plane.api.authentication.KeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """A bearer token."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "slk_<prefix>_<secret>"}


class Schema(AutoSchema):
    """Adds what every operation has: headers, refusals, the scope that a key needs."""

    def get_override_parameters(self) -> list[Any]:
        """Of writes by somebody: the Idempotency-Key. `if_match` of the view names actions."""
        own = [*super().get_override_parameters()]
        if self._is_write() and self._asks_who():
            own.append(IDEMPOTENCY_KEY)
        if self._needs_match():
            own.append(IF_MATCH)
        return own

    def get_description(self) -> str:  # type: ignore[override]
        """The docstring, and the scope."""
        text = str(super().get_description() or "")
        scope = self._scope()
        if not self._asks_who():
            return text
        return f"{text}\n\n" + (f"Scope: `{scope}`." if scope else "Staff only.")

    def get_tags(self) -> list[str]:
        """The noun behind `/api/v1/`."""
        return [self.path.split("/")[3]]

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        statuses = [*ALWAYS, *getattr(self.view, "more_statuses", ())]
        if self._asks_who():
            statuses += ["401", "403"]
        if "{" in self.path or self.path.split("/")[3] in ("demo", "payments"):
            statuses += ["404"]
        if self._is_write():
            statuses += OF_WRITES
        if self._needs_match():
            statuses += ["412", "428"]
        for status in sorted({*statuses} - bodies.keys()):
            bodies[status] = {"$ref": f"#/components/responses/Problem{status}"}
        return bodies

    def _is_write(self) -> bool:
        return self.method in idempotency.WRITES

    def _asks_who(self) -> bool:
        return bool(self.view.get_authenticators())

    def _needs_match(self) -> bool:
        return getattr(self.view, "action", None) in getattr(self.view, "if_match", ())

    def _scope(self) -> str | None:
        scopes: dict[str, str] = getattr(self.view, "scopes", {})
        action = getattr(self.view, "action", None) or self.method.lower()
        return scopes.get(action)


def with_problems(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """The shape of a refusal, written by hand since no serializer makes it, and each status."""
    result["components"]["responses"] = {
        f"Problem{status}": {
            "description": text,
            "content": {MEDIA_TYPE: {"schema": {"$ref": PROBLEM}}},
        }
        for status, text in STATUS_TEXTS.items()
    }
    result["components"]["schemas"]["Problem"] = {
        "type": "object",
        "description": "A refusal (RFC 9457).",
        "required": ["type", "title", "status", "code"],
        "properties": {
            "type": {"type": "string", "format": "uri", "example": "urn:sluice:problem:invalid"},
            "title": {"type": "string", "example": "Some fields are wrong."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599, "example": 400},
            "code": {"type": "string", "example": "invalid"},
            "errors": {
                "type": "object",
                "additionalProperties": {},
                "description": "By field, what is wrong with it.",
                "example": {"title": ["This field may not be blank."]},
            },
            "retry_after_ms": {"type": "integer", "minimum": 0},
        },
    }
    return result

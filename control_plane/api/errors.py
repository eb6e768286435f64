"""Refusals under `/api/` that no view makes: problem documents as well."""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views import defaults

from control_plane.config import problems

PREFIX = "/api/"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """No such address."""
    if not request.path.startswith(PREFIX):
        return defaults.page_not_found(request, exception)
    return problems.response(404, "not_found", _("There is no such thing here."))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django itself does not like the request: its host, its size, its cookies."""
    if not request.path.startswith(PREFIX):
        return defaults.bad_request(request, exception)
    return problems.response(400, "bad_request", _("The request is not well formed."))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Outside of the REST framework."""
    if not request.path.startswith(PREFIX):
        return defaults.permission_denied(request, exception)
    return problems.response(403, "permission_denied", _("You may not do this."))


def server_error(request: HttpRequest) -> HttpResponse:
    """A fault of ours: whether the write was done is not known to whoever asked."""
    if not request.path.startswith(PREFIX):
        return defaults.server_error(request)
    return problems.response(
        500,
        "internal_error",
        _("Something went wrong here. Whether it was done is not known: ask before you repeat it."),
    )

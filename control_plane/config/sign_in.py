"""Wrong passwords: whose they are counted as, and what is said to who is locked out."""

from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _


def client_address(request: HttpRequest) -> str | None:
    """The nearest address that is no proxy of ours; what others say of themselves is not read.

    From the right, because each proxy writes behind what it was told.
    """
    said = [one.strip() for one in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    nearest = request.META.get("REMOTE_ADDR") or None
    for address in reversed([one for one in said if one]):
        if nearest is None or not _is_ours(nearest):
            break
        nearest = address
    return nearest


def _is_ours(address: str) -> bool:
    try:
        known = ip_address(address)
    except ValueError:
        return False
    return any(known in network for network in settings.ENV.console.proxies)


def locked_out(request: HttpRequest, credentials: Any = None) -> HttpResponse:
    """429: how long, and that a right password does not help before. No word on who exists."""
    minutes = settings.ENV.console.sign_in_lock_minutes
    message = _(
        "Too many wrong passwords. Nobody can sign in with this name from here for %(minutes)s"
        " minutes, not even with the right password. Whoever is in a hurry asks an administrator."
    ) % {"minutes": minutes}
    answer = render(request, "admin/locked_out.html", {"message": message}, status=429)
    answer["Retry-After"] = str(minutes * 60)
    return answer

"""The board's pages: for staff with the permission, and for a wall with a link."""

import time
from datetime import timedelta

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from control_plane.board import passes, prometheus, replay, services
from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.config import problems

SEE, SHARE = "board.view_board", "board.share_board"
REPLAYS_MAX = 30
# As the console says it, so that a control plane without one in front is as strict.
POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)


def _check(request: HttpRequest, permission: str) -> None:
    """As the admin: staff, who have shown their second factor if they have one."""
    if not (admin.site.has_permission(request) and request.user.has_perm(permission)):
        raise PermissionDenied


@never_cache
@require_safe
@login_required
def page(request: HttpRequest) -> HttpResponse:
    """The board of staff."""
    _check(request, SEE)
    ended = Campaign.objects.filter(state__in=[CampaignState.LIVE, CampaignState.ENDED])
    newest = ended.order_by("-starts_at").prefetch_related("items")[:REPLAYS_MAX]
    return _page(
        request,
        kind=passes.STAFF,
        shown_pass=_staff_pass(request),
        replays=replay.offered(list(newest), timezone.now()),
        may_share=request.user.has_perm(SHARE),
    )


@never_cache
@require_safe
def renew(request: HttpRequest) -> JsonResponse:
    """`{"pass"}` for another minute; 401 once somebody has logged out, 403 without the right."""
    if not request.user.is_authenticated:
        return problems.response(401, "bad_token", _("Nobody is logged in."))
    _check(request, SEE)
    return JsonResponse({"pass": _staff_pass(request)})


@never_cache
@require_safe
@login_required
def replayed(request: HttpRequest, slug: str) -> HttpResponse:
    """A past sale's frames; 503 while Prometheus is away."""
    _check(request, SEE)
    campaign = get_object_or_404(Campaign.objects.prefetch_related("items"), slug=slug)
    try:
        body = replay.frames(campaign)
    except prometheus.Unanswered as error:
        said = _("Prometheus does not answer: past sales cannot be read now.")
        return problems.response(503, "busy", said, detail=str(error))
    return HttpResponse(body, content_type="application/json")


@require_POST
@login_required
def make_wall(request: HttpRequest) -> JsonResponse:
    """`place` and `hours` → `{"href"}`: a link that a wall may keep open."""
    _check(request, SHARE)
    hours = request.POST.get("hours", "")
    if not (hours.isascii() and hours.isdecimal() and len(hours) <= 4):
        return problems.response(400, "bad_request", _("Whole hours."), field="hours")
    try:
        link = services.make_wall_link(
            request.POST.get("place", ""),
            timedelta(hours=int(hours)),
            request.user,
            timezone.now(),
        )
    except services.NotMade as error:
        return problems.response(400, "bad_request", str(error), field="place")
    token = passes.sign(passes.WALL, link.name, link.expires_at.timestamp())
    href = f"{request.build_absolute_uri(reverse('board:wall'))}#{token}"
    return JsonResponse({"href": href, "expires_at": link.expires_at.isoformat()})


@never_cache
@require_safe
def wall(request: HttpRequest) -> HttpResponse:
    """The board without anything to press, and without figures: its address has the key to them.

    The key stands behind the `#`, so no log, no firewall and no Referer ever has it.
    """
    return _page(request, kind=passes.WALL, shown_pass="", replays=[], may_share=False)


def _staff_pass(request: HttpRequest) -> str:
    return passes.sign(passes.STAFF, str(request.user.pk), time.time() + passes.STAFF_LASTS_S)


def _page(request: HttpRequest, *, kind: str, shown_pass: str, **more: object) -> HttpResponse:
    context = {
        "kind": kind,
        "pass": shown_pass,
        "language": get_language(),
        "profile": settings.ENV.profile,
        **more,
    }
    answer = render(request, "board/board.html", context)
    answer["Content-Security-Policy"] = POLICY
    return answer

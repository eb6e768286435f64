"""The pages around a campaign: those that ask first, its timeline, its copy, its items as CSV."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns import item_csv, services
from control_plane.campaigns.admin import item_moves
from control_plane.campaigns.admin.csv_form import UploadForm
from control_plane.campaigns.admin.inlines import is_draft
from control_plane.campaigns.admin.moves import MOVES, Move
from control_plane.campaigns.cloning import clone
from control_plane.campaigns.content import ITEM_FIELDS, digest_of
from control_plane.campaigns.local_time import to_wall
from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.campaigns.overview import overview
from control_plane.campaigns.summary import hints, summary, when
from control_plane.campaigns.timeline import timeline
from control_plane.config.ask_first import staff
from control_plane.config.audited import AuditedAdmin
from control_plane.config.dressing import dressed
from control_plane.config.history import give_reason, in_english

VIEW, ADD, CHANGE = (f"campaigns.{verb}_campaign" for verb in ("view", "add", "change"))
CHANGE_URL = "admin:campaigns_campaign_change"


class CampaignPages(AuditedAdmin):
    """Each page checks its own permission; a GET changes nothing."""

    def get_urls(self) -> list[URLPattern]:
        """`…/<id>/approve/` and its like in front of the admin's own."""
        page = self.admin_site.admin_view
        one, named = "<int:campaign_id>", "campaigns_campaign"
        moves = [
            path(f"{one}/{move.name}/", page(self._move_view(move)), name=f"{named}_{move.name}")
            for move in MOVES
        ]
        return [
            *moves,
            path(f"{one}/clone/", page(self.clone_view), name=f"{named}_clone"),
            path(f"{one}/timeline/", page(self.timeline_view), name=f"{named}_timeline"),
            path(f"{one}/items.csv", page(self.export_view), name=f"{named}_export"),
            path(f"{one}/import/", page(self.import_view), name=f"{named}_import"),
            path(
                f"{one}/items/<int:item_id>/<slug:name>/",
                page(self.item_view),
                name=f"{named}_item",
            ),
            *super().get_urls(),
        ]

    def campaign_context(self, request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
        """What the campaign's own page shows beside its form."""
        now = timezone.now()
        context: dict[str, Any] = {
            "campaign": campaign,
            "moves": [
                {"url": reverse(move.url_name, args=[campaign.pk]), "move": move}
                for move in MOVES
                if move.shows(campaign, request.user)
            ],
            "may_copy": request.user.has_perm(ADD),
            "may_import": is_draft(campaign) and request.user.has_perm(CHANGE),
        }
        if is_draft(campaign):
            context |= {
                "summary": summary(campaign, now),
                "hints": hints(campaign, now),
                "seen": digest_of(campaign),
                "last_word": campaign.steps.filter(kind="returned").order_by("-pk").first(),
            }
        else:
            context["rows"] = [
                (row, item_moves.buttons(campaign, row, request.user))
                for row in overview(campaign, now)
            ]
            context["paused"] = _pause_in_words(campaign, now)
        return context

    def _move_view(self, move: Move) -> Callable[..., HttpResponse]:
        """GET asks, POST does it: a link must never change anything."""

        def view(request: HttpRequest, campaign_id: int) -> HttpResponse:
            if not move.is_allowed(request.user):
                raise PermissionDenied
            campaign = get_object_or_404(self.get_queryset(request), pk=campaign_id)
            form = move.form(request.POST if request.method == "POST" else None)
            if hasattr(form, "about"):
                form.about(campaign)
            if not form.is_valid():
                return self._ask(request, campaign, move, form)
            values = form.cleaned_data
            give_reason(request, values.get("reason") or values.get("comment") or "")
            try:
                with transaction.atomic():
                    move.perform(campaign, staff(request), timezone.now(), values)
                    self.log_change(request, campaign, in_english(move.button))
            except services.CampaignError as error:
                messages.error(request, error.message)
            except ValidationError as error:
                messages.error(request, " ".join(error.messages))
            else:
                messages.success(request, move.done % {"campaign": campaign})
            return HttpResponseRedirect(reverse(CHANGE_URL, args=[campaign.pk]))

        return view

    def _ask(
        self, request: HttpRequest, campaign: Campaign, move: Move, form: forms.Form
    ) -> HttpResponse:
        now = timezone.now()
        if "seen" in form.fields:
            form.fields["seen"].initial = digest_of(campaign)
        return self._page(
            request,
            campaign,
            "move",
            move.button,
            move=move,
            form=dressed(form),
            summary=summary(campaign, now) if is_draft(campaign) else [],
            hints=hints(campaign, now) if is_draft(campaign) else [],
            rows=[] if is_draft(campaign) else [(row, []) for row in overview(campaign, now)],
        )

    def item_view(
        self, request: HttpRequest, campaign_id: int, item_id: int, name: str
    ) -> HttpResponse:
        """Ask, or do it to one item."""
        item = get_object_or_404(Campaign, pk=campaign_id).items.filter(pk=item_id).first()
        if item is None or name not in item_moves.NAMES:
            raise Http404
        return item_moves.ask_of(self, request, item, name)

    def clone_view(self, request: HttpRequest, campaign_id: int) -> HttpResponse:
        """GET says what the copy will be, POST makes it and shows it."""
        if not request.user.has_perm(ADD):
            raise PermissionDenied
        campaign = get_object_or_404(self.get_queryset(request), pk=campaign_id)
        if request.method != "POST":
            return self._page(request, campaign, "clone", _("Copy"))
        with transaction.atomic():
            copy = clone(campaign, staff(request), timezone.now())
            self.log_addition(request, copy, in_english(_("Copied.")))
        said = {"campaign": copy, "moment": when(copy.starts_at, copy.time_zone)}
        messages.success(
            request, _("“%(campaign)s” is a new draft for %(moment)s. Look at its dates.") % said
        )
        return HttpResponseRedirect(reverse(CHANGE_URL, args=[copy.pk]))

    def timeline_view(self, request: HttpRequest, campaign_id: int) -> HttpResponse:
        """Everything that happened to it."""
        campaign = self._to_look_at(request, campaign_id)
        entries = timeline(campaign)
        zone = campaign.time_zone
        walls = [f"{to_wall(one.at, zone):%Y-%m-%d %H:%M:%S}" for one in entries]
        lines = list(zip(entries, walls, strict=True))
        return self._page(request, campaign, "timeline", _("Timeline"), lines=lines, zone=zone)

    def export_view(self, request: HttpRequest, campaign_id: int) -> HttpResponse:
        """The items, of a campaign in any state."""
        campaign = self._to_look_at(request, campaign_id)
        name = f'attachment; filename="{campaign.slug}-items.csv"'
        content = item_csv.export_csv(campaign)
        headers = {"Content-Disposition": name}
        return HttpResponse(content, content_type="text/csv; charset=utf-8", headers=headers)

    def import_view(self, request: HttpRequest, campaign_id: int) -> HttpResponse:
        """A file is looked at first; what was looked at comes back and is written."""
        if not request.user.has_perm(CHANGE):
            raise PermissionDenied
        campaign = get_object_or_404(self.get_queryset(request), pk=campaign_id)
        back = HttpResponseRedirect(reverse(CHANGE_URL, args=[campaign.pk]))
        if not is_draft(campaign):
            messages.error(request, services.NotDraft.message)
            return back
        form = UploadForm(*((request.POST, request.FILES) if request.method == "POST" else ()))
        found = None
        if form.is_valid():
            content = form.cleaned_data["content"]
            try:
                if form.cleaned_data["confirmed"]:
                    found = item_csv.run(campaign, content, staff(request), timezone.now())
                    if not found.has_errors:
                        messages.success(request, _imported(found))
                        return back
                found = item_csv.preview(campaign, content)
            except services.NotDraft as error:
                messages.error(request, error.message)
                return back
            except item_csv.BadFile as error:
                form.add_error("file", error.message)
        return self._page(
            request,
            campaign,
            "import",
            _("Import items"),
            form=dressed(form),
            found=found,
            columns=", ".join(ITEM_FIELDS),
            rows_max=item_csv.ROWS_MAX,
        )

    def _to_look_at(self, request: HttpRequest, campaign_id: int) -> Campaign:
        if not (request.user.has_perm(VIEW) or request.user.has_perm(CHANGE)):
            raise PermissionDenied
        campaign: Campaign = get_object_or_404(self.get_queryset(request), pk=campaign_id)
        return campaign

    def _page(
        self, request: HttpRequest, campaign: Campaign, name: str, title: Any, **more: Any
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "object": campaign,
            "campaign": campaign,
            "starts": when(campaign.starts_at, campaign.time_zone),
            "ends": when(campaign.ends_at, campaign.time_zone),
            **more,
        }
        return TemplateResponse(request, f"admin/campaigns/campaign_{name}.html", context)


def _pause_in_words(campaign: Campaign, now: Any) -> str:
    thrown = services.paused_by(campaign, None, now)
    if thrown is None or campaign.state == CampaignState.ENDED:
        return ""
    return _("Paused since %(moment)s by %(who)s: %(reason)s") % {
        "moment": when(thrown.created_at, campaign.time_zone),
        "who": thrown.by or _("the command line"),
        "reason": thrown.reason,
    }


def _imported(found: item_csv.Preview) -> str:
    return _("Items imported: %(new)s new, %(update)s changed") % {
        "new": found.count("new"),
        "update": found.count("update"),
    }

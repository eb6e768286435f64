"""The page of a campaign in the admin: its words and pictures, and how it will look."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import Campaign
from control_plane.config.dressing import dressed
from control_plane.config.history import in_english
from control_plane.config.model_admin import ModelAdmin
from control_plane.pages import facts, render, services
from control_plane.pages.forms import HeadForm, WordsForm
from control_plane.pages.models import CampaignPage, words_of

EDIT = "pages.change_campaignpage"
VIEW = "pages.view_campaignpage"
EDIT_URL = "admin:pages_campaignpage_edit"
# What the edge bundles as /assets/page.css. Where only this folder is installed the preview has no
# style; it is a look at words and pictures then.
_EDGE = Path(settings.BASE_DIR).parent / "edge-workers"
STYLES = (_EDGE / "storefront" / "style.css", _EDGE / "pages" / "page.css")
ICON = _EDGE / "storefront" / "icon.svg"
PREVIEW_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@admin.register(CampaignPage)
class CampaignPageAdmin(ModelAdmin):
    """Reached from the campaign's own page; it has no list."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Not in the menu."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Nothing of the admin's own: every page here begins at a campaign."""
        page = self.admin_site.admin_view
        one, named = "<int:campaign_id>", "pages_campaignpage"
        return [
            path(f"{one}/edit/", page(self.edit_view), name=f"{named}_edit"),
            path(f"{one}/preview/", page(self.preview_view), name=f"{named}_preview"),
            path(f"{one}/preview/page.css", page(self.style_view), name=f"{named}_style"),
            path(f"{one}/preview/icon.svg", page(self.icon_view), name=f"{named}_icon"),
            path(f"{one}/preview/<str:name>", page(self.picture_view), name=f"{named}_picture"),
        ]

    def edit_view(self, request: HttpRequest, campaign_id: int) -> HttpResponse:
        """GET shows the words, POST writes them."""
        if not request.user.has_perm(EDIT):
            raise PermissionDenied
        campaign = _campaign(campaign_id)
        sent = (request.POST, request.FILES) if request.method == "POST" else (None, None)
        head = HeadForm(words_of(campaign), prefix="campaign", data=sent[0], files=sent[1])
        items = {
            item: WordsForm(words_of(item), prefix=f"item-{item.pk}", data=sent[0], files=sent[1])
            for item in campaign.items.all()
        }
        if request.method == "POST" and all(
            [head.is_valid(), *(f.is_valid() for f in items.values())]
        ):
            services.write_page(
                campaign, head.writing, {item: form.writing for item, form in items.items()}
            )
            self.log_change(request, campaign, in_english(_("Page written.")))
            messages.success(request, _("Written. A page that is published follows in a second."))
            return HttpResponseRedirect(reverse(EDIT_URL, args=[campaign.pk]))
        return self._show(request, campaign, head, items)

    def preview_view(self, request: HttpRequest, campaign_id: int) -> HttpResponse:
        """The page as it would be published now, without anything to buy at."""
        _may_look(request)
        language = "zh" if request.GET.get("lang", "").startswith("zh") else "en"
        said = facts.facts_of(_campaign(campaign_id))
        here = reverse("admin:pages_campaignpage_preview", args=[campaign_id])
        text = render.page_html(said, language, assets=here, files=here)
        return HttpResponse(text, headers={"Content-Security-Policy": PREVIEW_POLICY})

    def style_view(self, request: HttpRequest, campaign_id: int) -> HttpResponse:
        """The style of the edge, for the preview."""
        _may_look(request)
        found = [style.read_text() for style in STYLES if style.is_file()]
        rules = [line for text in found for line in text.splitlines() if "@import" not in line]
        return HttpResponse("\n".join(rules), content_type="text/css; charset=utf-8")

    def icon_view(self, request: HttpRequest, campaign_id: int) -> HttpResponse:
        """The icon of the edge, for the preview."""
        _may_look(request)
        if not ICON.is_file():
            raise Http404
        return HttpResponse(ICON.read_bytes(), content_type="image/svg+xml")

    def picture_view(self, request: HttpRequest, campaign_id: int, name: str) -> HttpResponse:
        """A picture of this campaign, for the preview."""
        _may_look(request)
        campaign = _campaign(campaign_id)
        shown = [words_of(campaign), *(words_of(item) for item in campaign.items.all())]
        body = services.picture_file(name, [one.picture_id for one in shown if one.picture_id])
        if body is None:
            raise Http404
        return HttpResponse(body, content_type="image/webp")

    def _show(
        self, request: HttpRequest, campaign: Campaign, head: WordsForm, items: dict[Any, WordsForm]
    ) -> HttpResponse:
        forms = [(campaign.title, head), *((str(item), form) for item, form in items.items())]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Page"),
            "opts": Campaign._meta,
            "object": campaign,
            "campaign": campaign,
            "parts": [(name, dressed(form)) for name, form in forms],
            "preview": reverse("admin:pages_campaignpage_preview", args=[campaign.pk]),
        }
        return TemplateResponse(request, "admin/pages/page_form.html", context)


def _campaign(campaign_id: int) -> Campaign:
    return get_object_or_404(facts.with_words(Campaign.objects.all()), pk=campaign_id)


def _may_look(request: HttpRequest) -> None:
    if not (request.user.has_perm(VIEW) or request.user.has_perm(EDIT)):
        raise PermissionDenied

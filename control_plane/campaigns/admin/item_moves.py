"""What may be done to one item that is on sale, from its campaign's page."""

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns import services
from control_plane.campaigns.models import Campaign, CampaignState, Item
from control_plane.campaigns.overview import ItemRow
from control_plane.config.ask_first import Question, ReasonForm, Refusal, ask, staff
from control_plane.config.read_only_admin import Button
from control_plane.inventory import services as inventory

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.contrib.auth.models import User

PAUSE = "campaigns.pause_campaign"
NAMES = ("top_up", "withdraw", "pause", "resume")


def buttons(campaign: Campaign, row: ItemRow, user: Any) -> list[Button]:
    """Those that this user may press now."""
    if campaign.state == CampaignState.ENDED:
        return []
    offered = [
        ("top_up", "inventory.top_up_pool", _("Add units")),
        ("withdraw", "inventory.withdraw_pool", _("Withdraw units")),
        ("resume", PAUSE, _("Resume")) if row.is_paused else ("pause", PAUSE, _("Pause")),
    ]
    return [
        Button(
            label, reverse("admin:campaigns_campaign_item", args=[campaign.pk, row.item.pk, name])
        )
        for name, permission, label in offered
        if user.has_perm(permission)
    ]


def ask_of(admin: "ModelAdmin", request: HttpRequest, item: Item, name: str) -> HttpResponse:
    """The page that asks and does; back to the campaign."""
    # inventory's admin is loaded after this one.
    from control_plane.inventory.admin.pools import CHANGES, UnitsForm

    back = reverse("admin:campaigns_campaign_change", args=[item.campaign_id])
    subjects = [item.campaign, item]
    units = {one[0]: one[1:] for one in CHANGES}
    if name in units:
        permission, label, warning, perform = units[name]

        def change(values: dict[str, Any]) -> str:
            try:
                return str(perform(item.pk, values, staff(request)))
            except inventory.InventoryError as error:
                raise Refusal(error.message) from error

        question = Question(label, warning, permission, subjects, back, change, UnitsForm)
    else:
        question = _sale_question(request, item, name, subjects, back)
    return ask(admin, request, question)


def _sale_question(
    request: HttpRequest, item: Item, name: str, subjects: list[Any], back: str
) -> Question:
    is_pause = name == "pause"

    def perform(values: dict[str, Any]) -> str:
        act = services.pause if is_pause else services.resume
        by: User = staff(request)
        try:
            act(item.campaign, item, values["reason"], by, timezone.now())
        except services.CampaignError as error:
            raise Refusal(error.message) from error
        except ValidationError as error:
            raise Refusal(" ".join(error.messages)) from error
        done = _("%(item)s is paused.") if is_pause else _("%(item)s is resumed.")
        return str(done % {"item": item})

    warning = (
        _("Nobody can buy it until it is resumed; shoppers hear “busy, try again”.")
        if is_pause
        else _("Selling goes on at once, unless the campaign or everything is stopped.")
    )
    title = _("Pause") if is_pause else _("Resume")
    return Question(title, warning, PAUSE, subjects, back, perform, ReasonForm)

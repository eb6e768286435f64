"""The buttons on a campaign's page: what each does, when it shows, and what it says."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from control_plane.campaigns import services
from control_plane.campaigns.models import Campaign, CampaignState

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


@dataclass(frozen=True)
class Move:
    """A change of state that a person asks for; `perform` raises services.CampaignError."""

    name: str
    permission: str
    possible_in: tuple[CampaignState, ...]
    perform: Callable[[Campaign, Any, datetime], Campaign]
    button: "_StrPromise"
    warning: "_StrPromise"
    done: "_StrPromise"

    @property
    def url_name(self) -> str:
        """The page that asks and does."""
        return f"admin:campaigns_campaign_{self.name}"

    def is_allowed(self, user: Any) -> bool:
        """Whether the user holds the permission."""
        return bool(user.has_perm(self.permission))


MOVES = (
    Move(
        name="approve",
        permission="campaigns.approve_campaign",
        possible_in=(CampaignState.DRAFT,),
        perform=services.approve,
        button=_("Approve"),
        warning=_(
            "Shops see the campaign at once and its sale opens by itself at the start. "
            "Nothing can be edited any more."
        ),
        done=_("“%(campaign)s” is approved and published."),
    ),
    Move(
        name="rotate_path_keys",
        permission="campaigns.rotate_path_keys",
        possible_in=(CampaignState.APPROVED, CampaignState.LIVE),
        perform=services.rotate_path_keys,
        button=_("New buy addresses"),
        warning=_(
            "Every item gets a new hidden address to buy at. Shoppers who hold the old one can "
            "still use it for two minutes; copies that were passed around are worth nothing then."
        ),
        done=_("“%(campaign)s” has new buy addresses."),
    ),
    Move(
        name="end",
        permission="campaigns.end_campaign",
        possible_in=(CampaignState.APPROVED, CampaignState.LIVE),
        perform=services.end_now,
        button=_("End now"),
        warning=_("Selling stops at once and cannot be started again. Orders stay as they are."),
        done=_("“%(campaign)s” has ended."),
    ),
)

"""Why a campaign stays as it is. `code` is for programs, `message` for people."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.clashes import Clash
from control_plane.campaigns.local_time import to_wall
from control_plane.campaigns.models import LASTS_MAX

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class CampaignError(Exception):
    """The campaign stays as it is."""

    code = "campaign_error"
    message: "_StrPromise | str" = _("The campaign cannot be changed like this.")

    def __init__(self, campaign_id: int) -> None:
        super().__init__(f"{self.code}: campaign {campaign_id}")


class NotDraft(CampaignError):
    """It was approved already, so it can be neither approved nor edited."""

    code = "not_draft"
    message = _("The campaign is not a draft any more: it can be neither approved nor edited.")


class StartInThePast(CampaignError):
    """It would be on sale at once, perhaps for a sale that is over."""

    code = "start_in_the_past"
    message = _("The start has passed. Move it into the future, then approve.")


class TooLong(CampaignError):
    """LASTS_MAX, from the start to the end."""

    code = "too_long"

    def __init__(self, campaign_id: int) -> None:
        super().__init__(campaign_id)
        self.message = too_long_in_words()


class NoItems(CampaignError):
    """There is nothing to sell."""

    code = "no_items"
    message = _("The campaign sells nothing yet. Add at least one item, then approve.")


class Clashes(CampaignError):
    """Another campaign of the merchant sells the same SKU in the same time."""

    code = "overlap"

    def __init__(self, campaign_id: int, clash: Clash) -> None:
        super().__init__(campaign_id)
        self.clash = clash
        self.message = clash_in_words(clash)


class NotSubmitted(CampaignError):
    """Nobody has asked for the approval, or it was edited since."""

    code = "not_submitted"
    message = _("The campaign is not submitted for approval, or it was edited since.")


class AlreadySubmitted(CampaignError):
    """It waits for its approval."""

    code = "already_submitted"
    message = _("The campaign is submitted already and waits for its approval.")


class SamePerson(CampaignError):
    """Maker and checker are two people."""

    code = "same_person"
    message = _("You worked on this campaign, so somebody else has to approve it.")


class ChangedSince(CampaignError):
    """What would be approved is not what was submitted or seen."""

    code = "changed_since"
    message = _(
        "The campaign is not what was submitted any more: somebody changed it in between. Look at "
        "it again; it has to be submitted again."
    )


class EditedSince(CampaignError):
    """Whoever saves a form has seen another draft."""

    code = "edited_since"
    message = _(
        "Somebody else changed the draft since you opened it. Nothing of yours is saved: look at "
        "it as it is now, and change it again."
    )


class NoComment(CampaignError):
    """Whoever returns it says what is to be mended."""

    code = "no_comment"
    message = _("Say what has to be changed.")


class NotRunning(CampaignError):
    """Only an approved or live campaign can be ended."""

    code = "not_running"
    message = _("Only an approved or live campaign can be ended.")


class EndHasPassed(CampaignError):
    """Shoppers were told that it is over, or it has ended."""

    code = "end_has_passed"
    message = _("The sale is over: its end cannot be moved any more.")


class NotLater(CampaignError):
    """An end moves to a later time only."""

    code = "not_later"

    def __init__(self, campaign_id: int, ends_at: datetime, zone: str) -> None:
        super().__init__(campaign_id)
        self.message = _("The end can only be moved to later than %(end)s (%(zone)s).") % {
            "end": f"{to_wall(ends_at, zone):%Y-%m-%d %H:%M:%S}",
            "zone": zone,
        }


class EndWasMoved(CampaignError):
    """Somebody else moved it in between."""

    code = "end_was_moved"
    message = _("Somebody else has moved the end in between. Look at it again.")


class AlreadyPaused(CampaignError):
    """Nothing of it is sold."""

    code = "already_paused"
    message = _("It is paused already.")


class NotPaused(CampaignError):
    """There is nothing to resume."""

    code = "not_paused"
    message = _("It is not paused.")


def too_long_in_words() -> str:
    """How long it may be."""
    return _("A sale lasts %s days at most. Look at the year and the month.") % LASTS_MAX.days


def clash_in_words(clash: Clash) -> str:
    """Which SKU, and which campaign sells it when."""
    other = clash.campaign
    return _(
        "%(sku)s is on sale in “%(campaign)s” (%(slug)s) at the same time, from %(start)s to "
        "%(end)s (%(zone)s)."
    ) % {
        "sku": clash.sku,
        "campaign": other.title,
        "slug": other.slug,
        "start": f"{to_wall(other.starts_at, other.time_zone):%Y-%m-%d %H:%M:%S}",
        "end": f"{to_wall(other.ends_at, other.time_zone):%Y-%m-%d %H:%M:%S}",
        "zone": other.time_zone,
    }

"""What people and the clock did to a campaign, one row a step, append-only.

What other apps keep anyway (switches, units, re-arms) is not written here again: `timeline` reads
it where it stands.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from control_plane.campaigns.models import Campaign

COMMENT_LENGTH_MAX = 500


class StepKind(models.TextChoices):
    """A step of a campaign's life."""

    CREATED = "created", _("created")
    CLONED = "cloned", _("created as a copy")
    EDITED = "edited", _("edited")
    IMPORTED = "imported", _("items imported")
    SUBMITTED = "submitted", _("submitted for approval")
    RETURNED = "returned", _("returned")
    APPROVED = "approved", _("approved and published")
    OPENED = "opened", _("opened")
    NEW_ADDRESSES = "addresses", _("new buy addresses")
    RESUMED = "resumed", _("resumed")
    EXTENDED = "extended", _("end moved")
    ENDED_EARLY = "ended_early", _("ended early")
    ENDED = "ended", _("ended")


# Whoever took one of these is a maker, and does not approve what he made.
MAKING = (
    StepKind.CREATED,
    StepKind.CLONED,
    StepKind.EDITED,
    StepKind.IMPORTED,
    StepKind.SUBMITTED,
)


class CampaignStep(models.Model):
    """Who did what and when. It outlives a draft that is deleted, and names it by its slug."""

    campaign = models.ForeignKey(
        "campaigns.Campaign",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="steps",
        verbose_name=_("campaign"),
    )
    slug = models.CharField(_("slug"), max_length=50)
    kind = models.CharField(_("kind"), max_length=12, choices=StepKind.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("by"),
        help_text=_("Empty: the clock or the command line."),
    )
    at = models.DateTimeField(_("at"))
    comment = models.CharField(_("comment"), max_length=COMMENT_LENGTH_MAX, blank=True)
    # What the timeline fills its sentence with.
    details = models.JSONField(_("details"), default=dict)

    class Meta:
        verbose_name = _("step of a campaign")
        verbose_name_plural = _("steps of campaigns")
        ordering = ["at", "pk"]

    def __str__(self) -> str:
        return f"{self.slug}: {self.get_kind_display()}"


def note(
    campaign: "Campaign",
    kind: StepKind,
    by: "User | None",
    at: datetime,
    comment: str = "",
    **details: Any,
) -> CampaignStep:
    """Write a step down, in the transaction that takes it."""
    return CampaignStep.objects.create(
        campaign=campaign,
        slug=campaign.slug,
        kind=kind,
        by=by,
        at=at,
        comment=comment,
        details=details,
    )


def is_maker(campaign_id: int, user: "User") -> bool:
    """Whether the user had a hand in it. Final while the campaign's row is locked."""
    made = CampaignStep.objects.filter(campaign=campaign_id, by=user, kind__in=MAKING)
    return made.exists()

"""The buttons on a campaign's page: what each does, when it shows, and what it says."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns import services
from control_plane.campaigns.admin.form import WallTimeField
from control_plane.campaigns.local_time import to_utc, to_wall
from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.campaigns.steps import COMMENT_LENGTH_MAX
from control_plane.config.ask_first import ReasonForm

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

Values = dict[str, Any]
DRAFT = (CampaignState.DRAFT,)
RUNNING = (CampaignState.APPROVED, CampaignState.LIVE)


class CommentForm(forms.Form):
    """What the other person should know; may be empty."""

    comment = forms.CharField(
        label=capfirst(_("comment")),
        max_length=COMMENT_LENGTH_MAX,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class ReturnForm(CommentForm):
    """What has to be changed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["comment"].required = True


class ApprovalForm(CommentForm):
    """`seen` is the digest of what the page showed."""

    seen = forms.CharField(widget=forms.HiddenInput, max_length=64)


class ExtendForm(ReasonForm):
    """A later end, by the clocks of the campaign; `before` is the end that the page showed."""

    field_order = ("ends_at", "reason")
    ends_at = WallTimeField(_("new end"))
    before = forms.DateTimeField(widget=forms.HiddenInput)

    def about(self, campaign: Campaign) -> None:
        """Starts from the end there is."""
        self._zone = campaign.time_zone
        self.fields["ends_at"].initial = to_wall(campaign.ends_at, self._zone)
        self.fields["ends_at"].help_text = _("As the clocks of %s show it.") % self._zone
        self.fields["before"].initial = campaign.ends_at.isoformat()

    def clean_ends_at(self) -> datetime:
        """A moment."""
        return to_utc(self.cleaned_data["ends_at"], self._zone)


@dataclass(frozen=True)
class Move:
    """A change that a person asks for; `perform` raises services.CampaignError.

    `is_possible` is asked of the campaign as it is shown; whether it is possible the service knows.
    """

    name: str
    permission: str
    possible_in: tuple[CampaignState, ...]
    perform: Callable[[Campaign, Any, datetime, Values], Any]
    button: "_StrPromise"
    warning: "_StrPromise"
    done: "_StrPromise"
    form: type[forms.Form] = ReasonForm
    kind: str = ""
    is_possible: Callable[[Campaign], bool] = lambda campaign: True

    @property
    def url_name(self) -> str:
        """The page that asks and does."""
        return f"admin:campaigns_campaign_{self.name}"

    def is_allowed(self, user: Any) -> bool:
        """Whether the user holds the permission."""
        return bool(user.has_perm(self.permission))

    def shows(self, campaign: Campaign, user: Any) -> bool:
        """Whether the user gets the button."""
        state = campaign.state in self.possible_in
        return state and self.is_allowed(user) and self.is_possible(campaign)


def _is_submitted(campaign: Campaign) -> bool:
    return campaign.submitted_at is not None


def _may_be_approved(campaign: Campaign) -> bool:
    return _is_submitted(campaign) or not settings.ENV.approval_by_second_person


def _extend(campaign: Campaign, by: Any, now: datetime, values: Values) -> Campaign:
    campaign.ends_at = values["before"]
    return services.extend(campaign, values["ends_at"], values["reason"], by, now)


def _is_paused(campaign: Campaign) -> bool:
    return services.paused_by(campaign, None, timezone.now()) is not None


MOVES = (
    Move(
        name="submit",
        permission="campaigns.submit_campaign",
        possible_in=DRAFT,
        perform=lambda campaign, by, now, values: services.submit(
            campaign, by, now, values["comment"]
        ),
        button=_("Submit for approval"),
        warning=_(
            "Somebody else looks at what stands above and approves it or returns it. If it is "
            "edited in between it has to be submitted again."
        ),
        done=_("“%(campaign)s” waits for its approval."),
        form=CommentForm,
        kind="button-change",
        is_possible=lambda campaign: not _is_submitted(campaign),
    ),
    Move(
        name="approve",
        permission="campaigns.approve_campaign",
        possible_in=DRAFT,
        perform=lambda campaign, by, now, values: services.approve(
            campaign, by, now, seen=values["seen"], comment=values["comment"]
        ),
        button=_("Approve"),
        warning=_(
            "Shops see the campaign at once and its sale opens by itself at the start. "
            "Nothing can be edited any more."
        ),
        done=_("“%(campaign)s” is approved and published."),
        form=ApprovalForm,
        kind="button-change",
        is_possible=_may_be_approved,
    ),
    Move(
        name="return",
        permission="campaigns.approve_campaign",
        possible_in=DRAFT,
        perform=lambda campaign, by, now, values: services.return_draft(
            campaign, by, now, values["comment"]
        ),
        button=_("Return"),
        warning=_("It goes back to its makers, who change it and submit it again."),
        done=_("“%(campaign)s” is returned to its makers."),
        form=ReturnForm,
        is_possible=_is_submitted,
    ),
    Move(
        name="pause",
        permission="campaigns.pause_campaign",
        possible_in=RUNNING,
        perform=lambda campaign, by, now, values: services.pause(
            campaign, None, values["reason"], by, now
        ),
        button=_("Pause"),
        warning=_(
            "Nobody can buy anything of it until it is resumed; shoppers hear “busy, try again”. "
            "Units and orders stay, and the end stays where it is."
        ),
        done=_("“%(campaign)s” is paused."),
        is_possible=lambda campaign: not _is_paused(campaign),
    ),
    Move(
        name="resume",
        permission="campaigns.pause_campaign",
        possible_in=RUNNING,
        perform=lambda campaign, by, now, values: services.resume(
            campaign, None, values["reason"], by, now
        ),
        button=_("Resume"),
        warning=_("Selling goes on at once, but for items that are paused by themselves."),
        done=_("“%(campaign)s” is resumed."),
        kind="button-change",
        is_possible=_is_paused,
    ),
    Move(
        name="extend",
        permission="campaigns.extend_campaign",
        possible_in=RUNNING,
        perform=_extend,
        button=_("Move the end"),
        warning=_(
            "Only to later. Gateways and pages follow within a second, and what was switched until "
            "the end holds until the new one."
        ),
        done=_("The end of “%(campaign)s” is moved."),
        form=ExtendForm,
    ),
    Move(
        name="rotate_path_keys",
        permission="campaigns.rotate_path_keys",
        possible_in=RUNNING,
        perform=lambda campaign, by, now, values: services.rotate_path_keys(
            campaign, by, now, values["reason"]
        ),
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
        possible_in=RUNNING,
        perform=lambda campaign, by, now, values: services.end_now(
            campaign, by, now, values["reason"]
        ),
        button=_("End now"),
        warning=_(
            "Selling stops at once and cannot be started again, and whoever stands in the queue "
            "hears that it is over. Orders stay as they are."
        ),
        done=_("“%(campaign)s” has ended."),
        kind="button-grave",
    ),
)

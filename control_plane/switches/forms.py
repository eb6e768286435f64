"""The form that throws a switch: its value, where, how long, and why."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import Campaign, CampaignState, Item
from control_plane.config.ask_first import ReasonForm
from control_plane.switches import services
from control_plane.switches.known import OFF, ON, SWITCHES, Choice, Number, Switch

if TYPE_CHECKING:
    from django.contrib.auth.models import User

EVERYWHERE = "all"
PERIODS = {"5m": timedelta(minutes=5), "30m": timedelta(minutes=30)}
END_OF_CAMPAIGN, UNTIL_REVERTED = "end", "reverted"


class ThrowForm(ReasonForm):
    """`where` is "all", "campaign:3" or "item:5"; `value` is of the switch's own type."""

    field_order = ("value", "where", "lasts", "reason")
    where = forms.ChoiceField(
        label=_("where"),
        help_text=_("An item's switch comes before its campaign's, that before everywhere."),
    )
    lasts = forms.ChoiceField(
        label=_("how long"),
        choices=(
            ("5m", _("5 minutes")),
            ("30m", _("30 minutes")),
            (END_OF_CAMPAIGN, _("until the end of the campaign")),
            (UNTIL_REVERTED, _("until somebody reverts it")),
        ),
        help_text=_("When the time is up the switch reverts by itself."),
    )

    def __init__(self, switch: Switch, data: Any = None) -> None:
        super().__init__(data)
        self.fields["value"] = _value_field(switch)
        where = self.fields["where"]
        assert isinstance(where, forms.ChoiceField)
        where.choices = _places(switch)
        self.order_fields(self.field_order)

    def clean(self) -> dict[str, Any]:
        """The end of a campaign needs a campaign."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("lasts") == END_OF_CAMPAIGN and values.get("where") == EVERYWHERE:
            raise ValidationError(
                {"lasts": _("Everywhere is not one campaign. Choose another time.")}
            )
        return values


def subject(where: str) -> tuple[Campaign | None, Item | None]:
    """What `where` names; both None for everywhere. Campaign or Item .DoesNotExist."""
    kind, _colon, pk = where.partition(":")
    if kind == "campaign":
        return Campaign.objects.get(pk=pk), None
    if kind == "item":
        return None, Item.objects.select_related("campaign").get(pk=pk)
    return None, None


def until(
    lasts: str, campaign: Campaign | None, item: Item | None, now: datetime
) -> datetime | None:
    """When it ends; None for "until somebody reverts it"."""
    if lasts == END_OF_CAMPAIGN:
        of = item.campaign if item is not None else campaign
        assert of is not None, "the form has looked"
        return of.ends_at
    return now + PERIODS[lasts] if lasts in PERIODS else None


def throw_as_asked(name: str, values: dict[str, Any], by: "User", now: datetime) -> str:
    """Throw the switch as a valid form says; what to tell the person. Raises ValidationError."""
    campaign, item = subject(values["where"])
    thrown = services.throw(
        name,
        values["value"],
        reason=values["reason"],
        by=by,
        now=now,
        campaign=campaign,
        item=item,
        until=until(values["lasts"], campaign, item, now),
    )
    return _("%(throw)s (%(where)s).") % {"throw": thrown, "where": thrown.where}


def _value_field(switch: Switch) -> forms.Field:
    if isinstance(switch, Choice):
        return forms.ChoiceField(label=_("value"), choices=switch.choices)
    if isinstance(switch, Number):
        return forms.FloatField(
            label=_("value"),
            min_value=0,
            max_value=switch.most,
            help_text=_("0 to %(most)s; normally %(default)s")
            % {"most": switch.most, "default": switch.shown(switch.default)},
        )
    # What it is not normally comes first: nobody comes here to leave it as it is.
    options = [(True, ON), (False, OFF)]
    return forms.TypedChoiceField(
        label=_("value"),
        choices=sorted(options, key=lambda option: option[0] == switch.default),
        coerce=lambda text: text == "True",
    )


def _places(switch: Switch) -> list[Any]:
    """Everywhere, then every campaign that has not ended, with its items."""
    places: list[Any] = [(EVERYWHERE, _("everywhere"))]
    if switch.only_everywhere:
        return places
    running = (
        Campaign.objects.filter(state__in=[CampaignState.APPROVED, CampaignState.LIVE])
        .prefetch_related("items")
        .order_by("starts_at", "pk")
    )
    for campaign in running:
        whole = (f"campaign:{campaign.pk}", _("all of “%(campaign)s”") % {"campaign": campaign})
        items = [(f"item:{item.pk}", str(item)) for item in campaign.items.all()]
        places.append((str(campaign), [whole, *items]))
    return places


def form_of(name: str) -> Any:
    """The form's class of one switch, for a page that asks first."""

    def build(data: Any = None) -> ThrowForm:
        return ThrowForm(SWITCHES[name], data)

    return build

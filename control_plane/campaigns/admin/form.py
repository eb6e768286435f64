"""A draft's form: times by the clocks of the campaign's zone, what is wrong at its field."""

from datetime import datetime
from itertools import groupby
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.forms.models import BaseInlineFormSet
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelect2Widget, UnfoldAdminSplitDateTimeVerticalWidget

from control_plane.campaigns.clashes import Clash, clashes
from control_plane.campaigns.errors import clash_in_words, too_long_in_words
from control_plane.campaigns.local_time import to_utc, to_wall, zone_names
from control_plane.campaigns.models import LASTS_MAX, Campaign

TIMES = ("starts_at", "ends_at")


class WallTimeField(forms.SplitDateTimeField):
    """A date and a time without a zone: the campaign's own is chosen beside it."""

    def __init__(self, label: Any) -> None:
        widget = UnfoldAdminSplitDateTimeVerticalWidget(date_label=_("Date"), time_label=_("Time"))
        super().__init__(label=capfirst(label), widget=widget)

    def compress(self, data_list: Any) -> datetime | None:
        """Django's would read it by the installation's zone."""
        if not data_list or None in data_list:
            return None
        return datetime.combine(*data_list)


class CampaignForm(forms.ModelForm):
    """Of a draft; after the approval nothing of it is edited."""

    starts_at = WallTimeField(_("start"))
    ends_at = WallTimeField(_("end"))
    time_zone = forms.ChoiceField(
        label=capfirst(_("time zone")),
        help_text=_("Start and end are what the clocks there show. They are stored in UTC."),
        widget=UnfoldAdminSelect2Widget,
    )

    class Meta:
        model = Campaign
        exclude = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "time_zone" not in self.fields:
            return  # whoever may not edit it has no fields
        zone = self.fields["time_zone"]
        assert isinstance(zone, forms.ChoiceField)
        zone.choices = _zone_choices()
        if self.instance.pk:
            for name in TIMES:
                moment = getattr(self.instance, name)
                self.initial[name] = to_wall(moment, self.instance.time_zone)
        else:
            self.initial.setdefault("time_zone", settings.TIME_ZONE)

    def clean(self) -> dict[str, Any]:
        """Times become moments. The model says whether the end is after the start."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        zone = values.get("time_zone")
        for name in TIMES:
            wall = values.get(name)
            if wall is None or zone is None:
                values.pop(name, None)
                continue
            try:
                values[name] = to_utc(wall, zone)
            except ValidationError as error:
                self.add_error(name, error)
        self._compare(values, zone or "UTC")
        return values

    def _compare(self, values: dict[str, Any], zone: str) -> None:
        start, end, now = values.get("starts_at"), values.get("ends_at"), timezone.now()
        if start is not None and start < now:
            words = _("The start is in the past: in %(zone)s it is %(now)s now.")
            said = {"zone": zone, "now": f"{to_wall(now, zone):%Y-%m-%d %H:%M:%S}"}
            self.add_error("starts_at", words % said)
        if start is not None and end is not None and end - start > LASTS_MAX:
            self.add_error("ends_at", too_long_in_words())


class ItemFormSet(BaseInlineFormSet):
    """Rows whose mistakes only show beside other campaigns."""

    def clean(self) -> None:
        """At the field of the row."""
        super().clean()
        rows = {}
        for form in self.forms:
            values = getattr(form, "cleaned_data", {})
            if values.get("sku") and not values.get("DELETE"):
                rows[values["sku"]] = form
        for clash in self._clashes(list(rows)):
            rows[clash.sku].add_error("sku", linked(clash))

    def _clashes(self, skus: list[str]) -> list[Clash]:
        campaign = self.instance
        merchant, start, end = campaign.merchant_id, campaign.starts_at, campaign.ends_at
        if not (merchant and start and end and start < end):
            return []  # the campaign's own fields say what is wrong
        return clashes(merchant, skus, start, end, besides=campaign.pk)


class BucketFormSet(BaseInlineFormSet):
    """Weights mean something beside each other only."""

    def clean(self) -> None:
        """A bucket of next to nothing is a typing error, and its shoppers would never know."""
        super().clean()
        rows = [
            (form, form.cleaned_data["weight"])
            for form in self.forms
            if getattr(form, "cleaned_data", {}).get("weight")
            and not form.cleaned_data.get("DELETE")
        ]
        total = sum(weight for _form, weight in rows)
        for form, weight in rows:
            if weight * 1000 < total:
                words = _(
                    "Beside the others this is less than one in a thousand (%(weight)s of "
                    "%(total)s): who is in this bucket would wait for ever."
                )
                form.add_error("weight", words % {"weight": weight, "total": total})


def linked(clash: Clash) -> str:
    """What clashes, with the way to it."""
    url = reverse("admin:campaigns_campaign_change", args=[clash.campaign.pk])
    return format_html('{} <a href="{}">{}</a>', clash_in_words(clash), url, _("Look at it"))


def _zone_choices() -> list[Any]:
    """By region, as people look for them."""
    regions = groupby(zone_names(), key=lambda name: name.partition("/")[0])
    return [
        (region, [(name, name.replace("_", " ")) for name in names]) for region, names in regions
    ]

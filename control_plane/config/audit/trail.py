"""The sources of the list, each a table that only grows, and how they become one.

A source answers by time, newest first, with what is older than a moment. So the list is merged
from the heads of its sources, and no page costs more than a page of each.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.db.models import Q, QuerySet
from django.urls import NoReverseMatch, reverse
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from control_plane.campaigns.models import Campaign, CampaignStep
from control_plane.config.audited import VERBS, differences, who
from control_plane.config.history import in_words
from control_plane.config.models import TRACKED
from control_plane.inventory.models import Rearm, StockChange, StockSource
from control_plane.risk.models import RiskChange
from control_plane.snapshot.models import EntryKey
from control_plane.switches.models import SwitchRevert, SwitchThrow

# All of it stands in the history of the row itself.
WHAT_LENGTH_MAX = 300


@dataclass(frozen=True)
class Entry:
    """A line of the trail."""

    at: datetime
    who: str
    about: str
    subject: str
    what: str
    reason: str = ""
    url: str = ""


@dataclass(frozen=True)
class Wanted:
    """What somebody looks for; `person` is a user's key, or 0 for what was no person."""

    source: str = ""
    person: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Source:
    """`at` and `by` are the columns of moment and person; `read` makes a line of a row."""

    name: str
    title: Any
    rows: Callable[[], QuerySet[Any]]
    at: str
    by: str
    read: Callable[[Any], Entry]

    def newest(self, wanted: Wanted, most: int) -> list[Entry]:
        """At most so many, the newest first."""
        chosen = Q(**{f"{self.at}__isnull": False})
        if wanted.since is not None:
            chosen &= Q(**{f"{self.at}__gte": wanted.since})
        if wanted.until is not None:
            chosen &= Q(**{f"{self.at}__lt": wanted.until})
        if wanted.person is not None:
            chosen &= Q(**{self.by: wanted.person or None})
        rows = self.rows().filter(chosen).select_related(self.by).order_by(f"-{self.at}", "-pk")
        return [self.read(row) for row in rows[:most]]


def newest(wanted: Wanted, most: int) -> list[Entry]:
    """Of all sources, or of the one that is wanted."""
    found = [
        entry
        for source in SOURCES
        if wanted.source in ("", source.name)
        for entry in source.newest(wanted, most)
    ]
    return sorted(found, key=lambda entry: entry.at, reverse=True)[:most]


def _link(label: str, pk: Any) -> str:
    opts = apps.get_model(label)._meta
    try:
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[pk])
    except NoReverseMatch:
        return ""


def _name(model: Any) -> str:
    return str(capfirst(model._meta.verbose_name))


def _history(model: Any) -> Source:
    def read(row: Any) -> Entry:
        return Entry(
            row.history_date,
            who(row.history_user),
            _name(model),
            str(row.history_object) if row.history_type == "-" else _subject(row),
            _what(row),
            row.history_change_reason or "",
            "" if row.history_type == "-" else _link(model._meta.label, row.instance.pk),
        )

    return Source(
        f"history_{model._meta.model_name}",
        model._meta.verbose_name_plural,
        model.history.model.objects.all,
        "history_date",
        "history_user",
        read,
    )


def _subject(row: Any) -> str:
    return str(row.instance)


def _what(row: Any) -> str:
    """The change in one line; one more query a line, for a page of lines."""
    verb = str(VERBS[row.history_type])
    before = row.prev_record if row.history_type == "~" else None
    if before is None:
        return verb
    changes = (f"{field}: {old} → {new}" for field, old, new in differences(row, before))
    return Truncator(f"{verb}: " + "; ".join(changes)).chars(WHAT_LENGTH_MAX)


def _pressed(row: LogEntry) -> Entry:
    return Entry(
        row.action_time,
        str(row.user),
        str(capfirst(row.content_type.name)) if row.content_type else "",
        row.object_repr,
        _said(row) or _("done in the admin"),
        "",
        row.get_admin_url() or "",
    )


def _said(row: LogEntry) -> str:
    """What a form wrote is JSON, which Django puts into words."""
    kept = str(row.change_message)
    return str(row.get_change_message()) if kept.startswith("[") else in_words(kept)


def _thrown(row: SwitchThrow) -> Entry:
    return Entry(
        row.created_at,
        str(row.by or _("the command line")),
        _name(SwitchThrow),
        f"{row.get_name_display()} ({row.where})",
        _("thrown: %(value)s") % {"value": row.shown_value},
        row.reason,
        _link("switches.SwitchThrow", row.pk),
    )


def _step(row: CampaignStep) -> Entry:
    return Entry(
        row.at,
        str(row.by or _("the system")),
        _name(Campaign),
        row.slug,
        row.get_kind_display(),
        row.comment,
        _link("campaigns.Campaign", row.campaign_id),
    )


def _reverted(row: SwitchRevert) -> Entry:
    person = row.by or (_("the clock") if row.by_clock else _("the command line"))
    return Entry(
        row.at,
        str(person),
        _name(SwitchThrow),
        f"{row.throw} ({row.throw.where})",
        _("reverted"),
        row.reason,
        _link("switches.SwitchThrow", row.pk),
    )


def _stock(row: StockChange) -> Entry:
    return Entry(
        row.created_at,
        str(row.by or _("the command line")),
        _name(StockChange),
        str(row.item),
        f"{row.get_kind_display()}: {row.qty}",
        row.reason,
        _link("inventory.StockChange", row.pk),
    )


def _source(row: StockSource) -> Entry:
    return Entry(
        row.created_at,
        str(row.by or _("the system")),
        _name(StockSource),
        f"{row.get_source_display()} ({row.generation})",
        row.get_mode_display(),
        row.reason,
        _link("inventory.StockSource", row.pk),
    )


def _rearm(row: Rearm) -> Entry:
    return Entry(
        row.created_at,
        str(row.by or _("the system")),
        _name(Rearm),
        str(row.allocation),
        row.get_mode_display(),
        row.reason,
        _link("inventory.Rearm", row.pk),
    )


def _risk(row: RiskChange) -> Entry:
    return Entry(
        row.at,
        str(row.by or (_("the clock") if row.by_clock else _("the system"))),
        _name(apps.get_model("risk", row.subject)),
        row.title,
        row.get_verb_display(),
        row.reason or str(row.values.get("note") or row.values.get("reason") or ""),
        _link("risk.RiskChange", row.pk),
    )


def _key(row: EntryKey) -> Entry:
    return Entry(
        row.created_at,
        str(row.by or _("the command line")),
        _name(EntryKey),
        row.kid,
        _("made"),
        row.reason,
        _link("snapshot.EntryKey", row.pk),
    )


def _buttons() -> QuerySet[LogEntry]:
    """What a form said of a model with a history of its own stands there already, with more."""
    tracked = Q()
    for model in TRACKED:
        tracked |= Q(
            content_type__app_label=model._meta.app_label,
            content_type__model=model._meta.model_name,
        )
    by_form = tracked & Q(action_flag__in=[ADDITION, CHANGE], change_message__startswith="[")
    return LogEntry.objects.exclude(by_form).select_related("content_type")


def _with(model: Any, *related: str) -> Callable[[], QuerySet[Any]]:
    return lambda: model.objects.select_related(*related)


SOURCES: tuple[Source, ...] = (
    Source(
        "buttons", gettext_lazy("Buttons of the admin"), _buttons, "action_time", "user", _pressed
    ),
    Source(
        "thrown",
        gettext_lazy("Switches thrown"),
        _with(SwitchThrow, "campaign", "item__campaign"),
        "created_at",
        "by",
        _thrown,
    ),
    Source("step", gettext_lazy("Steps of campaigns"), _with(CampaignStep), "at", "by", _step),
    Source(
        "reverted",
        gettext_lazy("Switches reverted"),
        _with(SwitchRevert, "throw__campaign", "throw__item__campaign"),
        "at",
        "by",
        _reverted,
    ),
    Source(
        "stock",
        gettext_lazy("Changes of units"),
        _with(StockChange, "item"),
        "created_at",
        "by",
        _stock,
    ),
    Source("source", gettext_lazy("Stock source"), _with(StockSource), "created_at", "by", _source),
    Source(
        "rearm", gettext_lazy("Re-arms"), _with(Rearm, "allocation"), "created_at", "by", _rearm
    ),
    Source("risk", gettext_lazy("Risk rules, limits, bans"), _with(RiskChange), "at", "by", _risk),
    Source("key", gettext_lazy("Entry keys"), _with(EntryKey), "created_at", "by", _key),
    *(_history(model) for model in TRACKED),
)


def people() -> Iterable[Any]:
    """Who may have done something."""
    from django.contrib.auth.models import User

    return User.objects.filter(is_staff=True).order_by("username")

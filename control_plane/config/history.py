"""When a row of history is written, and with which reason."""

from typing import TYPE_CHECKING, Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext
from simple_history.models import HistoricalRecords

if TYPE_CHECKING:
    from django.contrib.auth.models import User

REASON_LENGTH_MAX = 200
# What a request has of its own once somebody said why.
_REASON = "change_reason"
# As long as Django's log takes it.
_NAME_LENGTH_MAX = 200
_BY_API = " (API)"


class Records(HistoricalRecords):
    """Writes a row when something tracked differs: beat and a login save without changing any."""

    def finalize(self, sender: Any, **kwargs: Any) -> None:
        """Called once for each model."""
        super().finalize(sender, **kwargs)
        RECORDS[sender] = self

    def post_save(self, instance: Any, created: bool, using: Any = None, **kwargs: Any) -> None:
        """Receiver of Django's signal."""
        if created or self._differs(instance):
            super().post_save(instance, created, using, **kwargs)

    def m2m_changed(self, instance: Any, *arguments: Any, **kwargs: Any) -> None:
        """Receiver of Django's signal; from its other side (`group.user_set`) it is no row."""
        if isinstance(instance, self.cls):
            super().m2m_changed(instance, *arguments, **kwargs)

    def get_change_reason_for_object(self, instance: Any, *arguments: Any) -> str | None:
        """What the person typed on the page that changes this row and those around it."""
        request = getattr(self.context, "request", None)
        reason = getattr(instance, "_change_reason", None) or reason_of(request)
        return str(reason)[:REASON_LENGTH_MAX] or None

    def _differs(self, instance: Any) -> bool:
        manager = getattr(instance, self.manager_name)
        last = manager.order_by("-history_id").first()
        names = [field.attname for field in self.fields_included(instance)]
        return last is None or any(getattr(last, n) != getattr(instance, n) for n in names)


def give_reason(request: HttpRequest, reason: str) -> None:
    """Every row of history that this request writes has the reason."""
    setattr(request, _REASON, reason)


def reason_of(request: HttpRequest | None) -> str:
    """What was given, or nothing."""
    return str(getattr(request, _REASON, ""))


def note(
    instance: Any, reason: str = "", by: "User | None" = None, *, unchanged: bool = False
) -> None:
    """Write the row of a change that was an UPDATE and so told no signal, in its transaction.

    Without `by` it is who makes the request, or the system. `unchanged`: also when no field of the
    row differs, because what was done to it stands elsewhere.
    """
    fresh = type(instance)._default_manager.get(pk=instance.pk)
    if reason:
        fresh._change_reason = reason
    if by is not None:
        fresh._history_user = by
    records = RECORDS[type(instance)]
    if unchanged:
        records.create_historical_record(fresh, "~")
    else:
        records.post_save(fresh, created=False)


def log_deed(
    by: Any, subject: Any, deed: Any, flag: int = CHANGE, *, reason: str = "", by_api: bool = False
) -> None:
    """A line of the trail for what no history keeps, where no page of the admin writes it.

    `deed` is lazy. `by_api`: the same as a button, but pressed by a program.
    """
    LogEntry.objects.create(
        user=by,
        content_type=ContentType.objects.get_for_model(subject),
        object_id=str(subject.pk),
        object_repr=str(subject)[:_NAME_LENGTH_MAX],
        action_flag=flag,
        change_message=in_english(deed, reason, by_api=by_api),
    )


def in_english(deed: Any, reason: str = "", *, by_api: bool = False) -> str:
    """As the trail keeps a lazy text, whoever does it: nobody can change it later."""
    with translation.override("en"):
        kept = f"{deed}{_BY_API if by_api else ''}"
    return f"{kept}: {reason}" if reason else kept


def in_words(kept: str) -> str:
    """What `in_english` has made, in the reader's language; the reason as it was typed."""
    deed, colon, reason = kept.partition(": ")
    name = deed.removesuffix(_BY_API)
    said = gettext(name) if name else ""
    if name != deed:
        said = gettext("%(deed)s (over the API)") % {"deed": said}
    return f"{said}{colon}{reason}"


def begin() -> int:
    """A first row for what was there before there was a history; returns how many. Idempotent."""
    written = 0
    for model, records in RECORDS.items():
        known = records_of(model).values(model._meta.pk.attname)
        for instance in model._default_manager.exclude(pk__in=known):
            records.create_historical_record(instance, "+")
            written += 1
    return written


def records_of(model: Any) -> Any:
    """All rows of a model's history."""
    return model.history.model.objects.all()


# By model, filled as models are registered.
RECORDS: dict[Any, Records] = {}

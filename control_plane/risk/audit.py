"""The trail of changes, written in the transaction of the change itself.

A table of its own and not Django's LogEntry: that one needs a user, so neither the clock nor the
command line nor the API could be written down, and an administrator can delete from it.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from django.utils import translation

from control_plane.risk.models import ChangeVerb, RiskChange

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def record(
    about: Model,
    verb: ChangeVerb,
    by: "User | None",
    at: datetime,
    *,
    by_clock: bool = False,
    reason: str = "",
) -> None:
    """One row with the values as they are after the change (before it, for a row that goes)."""
    RiskChange.objects.create(
        subject=str(about._meta.model_name),
        subject_id=about.pk,
        title=_title(about),
        verb=verb,
        values=_values(about),
        by=by,
        by_clock=by_clock,
        reason=reason[:200],
        at=at,
    )


def _title(about: Model) -> str:
    """In English whoever asks: it is stored."""
    with translation.override("en"):
        return str(about)[:300]


def _values(about: Model) -> dict[str, Any]:
    fields = about._meta.concrete_fields
    given = {field.attname: field.value_from_object(about) for field in fields}
    return {
        name: value if isinstance(value, int | float | bool) else str(value)
        for name, value in given.items()
        if value not in (None, "")
    }

"""One thing that happened, as a page shows it, and where the admin has more of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.urls import NoReverseMatch, reverse

GOOD, WRONG, WAITING = "good", "wrong", "waiting"


@dataclass(frozen=True)
class Event:
    """When, what, in words; `url` is of the admin's page, "" for none; `icon` a Material symbol."""

    at: datetime
    icon: str
    title: str
    text: str
    url: str = ""
    tone: str = ""


def admin_link(user: Any, row: Model | None) -> str:
    """The page of a row, "" for whoever may not see it or where there is none."""
    if row is None:
        return ""
    opts = row._meta
    if not user.has_perm(f"{opts.app_label}.view_{opts.model_name}"):
        return ""
    try:
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return ""

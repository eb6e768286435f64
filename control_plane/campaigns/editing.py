"""Changing a draft as a whole: its fields, its items by SKU, the buckets of its queue."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from control_plane.campaigns.models import Campaign, Item
from control_plane.campaigns.queues import create_buckets


def edit_draft(draft: Campaign, fields: Mapping[str, Any]) -> Campaign:
    """Set these fields of a draft that is locked by `lock_draft`. Raises Django's ValidationError.

    `items` and `buckets` are whole lists: an item that is not in it goes, one whose SKU is there
    already keeps its id. The merchant is not changed.
    """
    changes = {name: value for name, value in fields.items() if name != "merchant"}
    items, buckets = changes.pop("items", None), changes.pop("buckets", None)
    with transaction.atomic():
        for name, value in changes.items():
            setattr(draft, name, value)
        draft.full_clean()
        draft.save()
        if items is not None:
            _replace_items(draft, items)
        if buckets is not None:
            draft.buckets.all().delete()
            create_buckets(draft, buckets)
    return Campaign.objects.get(pk=draft.pk)


def _replace_items(draft: Campaign, items: Sequence[Mapping[str, Any]]) -> None:
    draft.items.exclude(sku__in=[item["sku"] for item in items]).delete()
    known = {item.sku: item for item in draft.items.all()}
    for fields in items:
        # Popped: a SKU that comes twice is refused as it is when a draft is made.
        item = known.pop(fields["sku"], None) or Item(campaign=draft)
        for name, value in fields.items():
            setattr(item, name, value)
        item.full_clean()
        item.save()

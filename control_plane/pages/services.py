"""Writing a campaign's words and pictures, and publishing its page."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from control_plane.campaigns.models import Campaign, Item
from control_plane.config.singleton import alone
from control_plane.pages import facts, render
from control_plane.pages.models import CampaignPage, ItemPage, Picture, PictureFile, Words
from control_plane.pages.pictures import Drawn, name_of
from control_plane.pages.storage import PublishedDirectory

# Any constant; one number per singleton task.
PUBLISH_LOCK = 0x51_0BA6

ADDRESSES = ("pay_href", "shop_href")
TEXTS = ("title_en", "title_zh", "text_en", "text_zh", "alt_en", "alt_zh")


class Elsewhere(Exception):
    """Another process is publishing just now; it, or the next tick, does what was asked."""


@dataclass(frozen=True)
class Published:
    """What a run did."""

    campaigns: int
    rendered: int
    changed: bool
    swept: int


@dataclass(frozen=True)
class Writing:
    """New words of a campaign or an item; `picture`: a new one, none for "as it is".

    `addresses`: those of ADDRESSES that are new; an item has none.
    """

    texts: Mapping[str, str]
    picture: list[Drawn] | None = None
    remove_picture: bool = False
    addresses: Mapping[str, str] = field(default_factory=dict)


def write_page(campaign: Campaign, head: Writing, items: Mapping[Item, Writing]) -> None:
    """The page's words, in any state of the campaign. The clock's next tick publishes them."""
    with transaction.atomic():
        _write(CampaignPage.objects.get_or_create(campaign=campaign)[0], head)
        for item, writing in items.items():
            _write(ItemPage.objects.get_or_create(item=item)[0], writing)


def copy_page(source: Campaign, to: Campaign, items: Mapping[int, Item]) -> None:
    """The words, addresses and pictures of one campaign for another that has no page yet.

    `items`: the new item of each old one's id. Pictures are copied, so that one campaign's can be
    replaced without the other's. In the caller's transaction.
    """
    page = CampaignPage.objects.filter(campaign=source).first()
    if page is not None:
        _copy(page, CampaignPage(campaign=to), (*TEXTS, *ADDRESSES))
    for part in ItemPage.objects.filter(item__in=items).order_by("pk"):
        _copy(part, ItemPage(item=items[part.item_id]), TEXTS)


def publish(now: datetime, *, anew: bool = False) -> Published:
    """Bring the published files to what the database says. Idempotent; raises Elsewhere.

    Files first, the index last: whoever dies in between has published nothing, and the next run
    does it again. A campaign whose facts are as they were is not rendered, unless `anew`.
    """
    with alone(PUBLISH_LOCK) as held:
        if not held:
            raise Elsewhere
        directory = PublishedDirectory(settings.ENV.publish_dir)
        before, entries, rendered = directory.index(), {}, 0
        for campaign in facts.campaigns_to_publish(now):
            said = facts.facts_of(campaign)
            source = _digest(said)
            entry = before.get(campaign.slug)
            if anew or not entry or entry["source"] != source or not directory.has(entry["files"]):
                entry = _write_files(directory, said, source)
                rendered += 1
            entries[campaign.slug] = entry
        changed = directory.write_index(entries)
        return Published(len(entries), rendered, changed, directory.sweep(now))


def picture_file(name: str, pictures: Iterable[int]) -> bytes | None:
    """One width of one of these pictures."""
    found = PictureFile.objects.filter(name=name, picture__in=pictures).first()
    return bytes(found.body) if found else None


def _write(words: Words, writing: Writing) -> None:
    for name in TEXTS:
        setattr(words, name, writing.texts[name])
    for name, address in writing.addresses.items():
        setattr(words, name, address)
    replaced = words.picture if writing.remove_picture or writing.picture else None
    if writing.remove_picture:
        words.picture = None
    if writing.picture:
        words.picture = _keep(writing.picture)
    words.full_clean(validate_constraints=False)
    words.save()
    if replaced is not None:
        replaced.delete()


def _copy(source: Words, to: Words, names: Iterable[str]) -> None:
    for name in names:
        setattr(to, name, getattr(source, name))
    if source.picture_id is not None:
        to.picture = Picture.objects.create()
        files = PictureFile.objects.filter(picture=source.picture_id).order_by("pk")
        PictureFile.objects.bulk_create(
            PictureFile(
                picture=to.picture, name=one.name, width=one.width, height=one.height, body=one.body
            )
            for one in files
        )
    to.save()


def _keep(drawn: Iterable[Drawn]) -> Picture:
    picture = Picture.objects.create()
    PictureFile.objects.bulk_create(
        PictureFile(
            picture=picture, name=one.name, width=one.width, height=one.height, body=one.body
        )
        for one in drawn
    )
    return picture


def _digest(said: dict[str, Any]) -> str:
    """Of everything a page is made of: what it says, and what renders it."""
    made_of = render.campaign_json(said) + render.renderer_digest().encode()
    return hashlib.sha256(made_of).hexdigest()


def _write_files(directory: PublishedDirectory, said: dict[str, Any], source: str) -> Any:
    """The campaign's entry in the index, once every file that it names is written."""
    document = render.campaign_json(said)
    entry: dict[str, Any] = {"source": source, "json": name_of(document, "json"), "pages": {}}
    written = {entry["json"]: document}
    for language in render.LANGUAGES:
        page = render.page_html(said, language)
        entry["pages"][language] = name_of(page, "html")
        written[entry["pages"][language]] = page
    for name, body in written.items():
        directory.write(name, body)
    pictures = _picture_names(said)
    for file in PictureFile.objects.filter(name__in=pictures).order_by("name").distinct("name"):
        directory.write(file.name, bytes(file.body))
    entry["files"] = sorted({*written, *pictures})
    return entry


def _picture_names(said: dict[str, Any]) -> list[str]:
    shown = [part["picture"] for part in (said, *said["items"]) if part["picture"]]
    return [one["file"] for picture in shown for one in picture["files"]]

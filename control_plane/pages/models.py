"""What a campaign's public page says and shows beyond what is sold.

Written by `services` only. It may be changed after the approval: nothing here sells anything.
"""

from typing import Any, overload

from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import Campaign, Item
from control_plane.pages.addresses import check_pay_href, check_shop_href

TEXT_MAX = 4000


class Picture(models.Model):
    """A picture as it is published: several widths of it, and never the file that was uploaded."""

    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("picture")
        verbose_name_plural = _("pictures")

    def __str__(self) -> str:
        return f"{self.pk}"


class PictureFile(models.Model):
    """One width of a picture, WebP. `name` is made of the hash of `body`."""

    picture = models.ForeignKey(Picture, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=64, db_index=True)
    width = models.PositiveSmallIntegerField()
    height = models.PositiveSmallIntegerField()
    body = models.BinaryField()

    class Meta:
        verbose_name = _("picture file")
        verbose_name_plural = _("picture files")
        ordering = ["width"]
        constraints = [
            models.UniqueConstraint(fields=["picture", "width"], name="picture_width_once")
        ]

    def __str__(self) -> str:
        return self.name


class Words(models.Model):
    """Both languages of a title and a text. What is empty is taken from the other language."""

    title_en = models.CharField(_("title (English)"), max_length=200, blank=True)
    title_zh = models.CharField(_("title (Chinese)"), max_length=200, blank=True)
    text_en = models.TextField(_("text (English)"), max_length=TEXT_MAX, blank=True)
    text_zh = models.TextField(_("text (Chinese)"), max_length=TEXT_MAX, blank=True)
    picture = models.OneToOneField(
        Picture,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("picture"),
    )
    alt_en = models.CharField(_("picture in words (English)"), max_length=200, blank=True)
    alt_zh = models.CharField(_("picture in words (Chinese)"), max_length=200, blank=True)

    class Meta:
        abstract = True


class CampaignPage(Words):
    """The head of a campaign's page."""

    campaign = models.OneToOneField(
        Campaign, primary_key=True, on_delete=models.CASCADE, related_name="page"
    )
    pay_href = models.CharField(
        _("where an order is paid"),
        max_length=500,
        blank=True,
        validators=[check_pay_href],
        help_text=_(
            "An address of your shop with {order} where the order's number belongs. "
            "Empty: the demo pays on the page."
        ),
    )
    shop_href = models.CharField(
        _("where people sign in and buy"),
        max_length=500,
        blank=True,
        validators=[check_shop_href],
        help_text=_(
            "An address of your shop, for everybody whom this page does not know: outside the "
            "demo that is everybody."
        ),
    )

    class Meta:
        verbose_name = _("page")
        verbose_name_plural = _("pages")

    def __str__(self) -> str:
        return f"{self.campaign_id}"


class ItemPage(Words):
    """One item's part of the page."""

    item = models.OneToOneField(
        Item, primary_key=True, on_delete=models.CASCADE, related_name="page"
    )

    class Meta:
        verbose_name = _("item's part of a page")
        verbose_name_plural = _("items' parts of pages")

    def __str__(self) -> str:
        return f"{self.item_id}"


@overload
def words_of(owner: Campaign) -> CampaignPage: ...
@overload
def words_of(owner: Item) -> ItemPage: ...
def words_of(owner: Any) -> Words:
    """The words of a campaign or an item; empty ones when nobody has written any."""
    found = getattr(owner, "page", None)
    if found is not None:
        return found  # type: ignore[no-any-return]  # the reverse side of a OneToOneField
    is_campaign = isinstance(owner, Campaign)
    return CampaignPage(campaign=owner) if is_campaign else ItemPage(item=owner)

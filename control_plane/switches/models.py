"""Switches that were thrown, and how each throw ended. Both tables are append-only."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import Campaign, Item, QueueMode
from control_plane.switches.known import SWITCHES

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

REASON_LENGTH_MAX = 200


class Scope(models.TextChoices):
    """Where a throw is in force; the narrowest one wins."""

    ALL = "all", _("everywhere")
    CAMPAIGN = "campaign", _("one campaign")
    ITEM = "item", _("one item")


class SwitchThrow(models.Model):
    """Somebody set a switch. In force until it is reverted, until `until`, or until a newer one."""

    name = models.CharField(
        _("switch"),
        max_length=32,
        choices=[(switch.name, switch.label) for switch in SWITCHES.values()],
    )
    scope = models.CharField(_("where"), max_length=8, choices=Scope.choices)
    campaign = models.ForeignKey(
        Campaign,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("campaign"),
    )
    item = models.ForeignKey(
        Item,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("item"),
    )
    value = models.JSONField(_("value"))
    reason = models.CharField(_("reason"), max_length=REASON_LENGTH_MAX)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("by"),
        help_text=_("Empty: the command line."),
    )
    created_at = models.DateTimeField(_("created at"))
    until = models.DateTimeField(_("until"), null=True, blank=True)
    # Of throws that were made together: which preset it was, and what is reverted together.
    preset = models.CharField(_("preset"), max_length=16, blank=True, db_default="")
    batch = models.UUIDField(null=True, blank=True)
    # By a newer one of its own scope; `overview.rows` says so.
    is_covered = False

    class Meta:
        verbose_name = _("switch")
        verbose_name_plural = _("switches")
        ordering = ["-pk"]
        permissions = [("throw_switch", "Can throw and revert switches")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scope="all", campaign=None, item=None)
                | models.Q(scope="campaign", campaign__isnull=False, item=None)
                | models.Q(scope="item", campaign=None, item__isnull=False),
                name="switch_scope_names_its_subject",
            ),
            models.CheckConstraint(
                condition=models.Q(until=None) | models.Q(until__gt=models.F("created_at")),
                name="switch_until_after_start",
                violation_error_message=_("The end must be in the future."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_name_display()}: {self.shown_value}"

    @property
    def shown_value(self) -> str:
        """The value in the reader's language."""
        return SWITCHES[self.name].shown(self.value)

    @property
    def where(self) -> "str | _StrPromise":
        """The campaign or item it is about."""
        if self.item is not None:
            return f"{self.item.campaign} · {self.item}"
        return str(self.campaign) if self.campaign is not None else Scope.ALL.label

    def clean(self) -> None:
        """Say at the field what is wrong."""
        switch = SWITCHES.get(self.name)
        if switch is None:
            return  # the field says so
        try:
            self.value = switch.checked(self.value)
        except ValidationError as error:
            raise ValidationError({"value": error}) from error
        if switch.only_everywhere and self.scope != Scope.ALL:
            raise ValidationError({"scope": _("This switch is thrown everywhere or not at all.")})
        if (self.name, self.value) == ("queue_mode", QueueMode.FIFO):
            self._keep_draws()
        if self.until is not None and self.until <= self.created_at:
            raise ValidationError({"until": _("The end must be in the future.")})

    def _keep_draws(self) -> None:
        """Who joined a lobby holds a place in it: without the draw his ticket would be none."""
        named = Item.objects.filter(models.Q(pk=self.item_id) | models.Q(campaign=self.campaign_id))
        if self.scope != Scope.ALL and named.filter(queue_mode=QueueMode.DRAW).exists():
            raise ValidationError(
                {
                    "value": _(
                        "An item that is sold by a draw cannot be switched to first come, first"
                        " served: every ticket for it would be void. It can be switched off."
                    )
                }
            )


class SwitchPublished(models.Model):
    """The first snapshot that has a throw in it: who runs this version or a later one obeys it."""

    throw = models.OneToOneField(
        SwitchThrow, primary_key=True, on_delete=models.PROTECT, related_name="published"
    )
    version = models.BigIntegerField(_("version"))

    class Meta:
        verbose_name = _("published switch")
        verbose_name_plural = _("published switches")

    def __str__(self) -> str:
        return f"{self.throw_id} {self.version}"


class SwitchRevert(models.Model):
    """A throw that is not in force any more: at most one row for each, and never changed."""

    throw = models.OneToOneField(
        SwitchThrow, primary_key=True, on_delete=models.PROTECT, related_name="reverted"
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("reverted by"),
    )
    # Nobody has reverted it: its time was up, or its campaign ended.
    by_clock = models.BooleanField(_("by the clock"))
    at = models.DateTimeField(_("reverted at"))
    # Empty: by the clock.
    reason = models.CharField(_("reason"), max_length=REASON_LENGTH_MAX, blank=True, db_default="")

    class Meta:
        verbose_name = _("reverted switch")
        verbose_name_plural = _("reverted switches")

    def __str__(self) -> str:
        return str(self.throw)

"""Who may not buy for a while. The risk scorer writes most of them, and tells the gateways."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.risk import values


class BanKind(models.TextChoices):
    """What is banned."""

    DEVICE = "device", _("device")
    ADDRESS = "address", _("address")
    NETWORK = "network", _("network")
    SHOPPER = "shopper", _("shopper")


class BanSource(models.TextChoices):
    """Who banned."""

    SCORER = "scorer", _("risk scorer")
    PERSON = "person", _("person")


CHECKS: dict[str, Callable[[str], str]] = {
    BanKind.DEVICE: values.checked_device,
    BanKind.ADDRESS: values.checked_address,
    BanKind.NETWORK: values.checked_network,
    BanKind.SHOPPER: values.checked_shopper,
}


class Ban(models.Model):
    """In force until `until` or until it is lifted; at most one of each (kind, value) is."""

    kind = models.CharField(_("what"), max_length=7, choices=BanKind.choices)
    value = models.CharField(_("value"), max_length=64)
    until = models.DateTimeField(_("until"))
    reason = models.CharField(_("reason"), max_length=200)
    source = models.CharField(_("source"), max_length=6, choices=BanSource.choices, editable=False)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("by"),
        help_text=_("Empty: the risk scorer or the command line."),
    )
    created_at = models.DateTimeField(_("created at"), editable=False)
    # Created, extended or ended: what the scorer has to tell the gateways.
    changed_at = models.DateTimeField(editable=False, db_index=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, editable=False)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("lifted by"),
        help_text=_("Empty: it ran out."),
    )

    class Meta:
        verbose_name = _("ban")
        verbose_name_plural = _("bans")
        ordering = ["-pk"]
        permissions = [("lift_ban", "Can lift a ban")]
        constraints = [
            # One that ran out is closed before the next one of its kind and value is written.
            models.UniqueConstraint(
                fields=["kind", "value"], condition=models.Q(ended_at=None), name="ban_once"
            )
        ]
        indexes = [
            models.Index(fields=["until"], condition=models.Q(ended_at=None), name="ban_not_ended")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.value}"

    def clean(self) -> None:
        """The value is of its kind."""
        check = CHECKS.get(self.kind)
        if check is None:
            return  # the field says so
        try:
            self.value = check(self.value)
        except ValidationError as error:
            raise ValidationError({"value": error}) from error

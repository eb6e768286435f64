"""How many purchases a second are looked at."""

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.risk.values import checked_level

PER_S_MIN, PER_S_MAX = Decimal("0.01"), Decimal(1_000_000)
BURST_MAX = 1_000_000


class LimitBy(models.TextChoices):
    """What has a bucket of its own."""

    ADDRESS = "address", _("address")
    DEVICE = "device", _("device")
    SHOPPER = "shopper", _("shopper")
    LEVEL = "level", _("whole level at one item")


class RateLimit(models.Model):
    """A token bucket for each address, device or shopper, or one for a whole level at an item."""

    by = models.CharField(_("for each"), max_length=7, choices=LimitBy.choices)
    level = models.CharField(
        _("level"),
        max_length=32,
        blank=True,
        default="",
        help_text=_("Empty: everybody. Otherwise only tokens of this level, in place of it."),
    )
    per_s = models.DecimalField(
        _("per second"),
        max_digits=9,
        decimal_places=2,
        validators=[MinValueValidator(PER_S_MIN), MaxValueValidator(PER_S_MAX)],
    )
    burst = models.PositiveIntegerField(
        _("at once"),
        validators=[MinValueValidator(1), MaxValueValidator(BURST_MAX)],
        help_text=_("How many may come at the same moment after a pause."),
    )

    class Meta:
        verbose_name = _("rate limit")
        verbose_name_plural = _("rate limits")
        ordering = ["by", "level"]
        constraints = [
            models.UniqueConstraint(
                fields=["by", "level"],
                name="rate_limit_once",
                violation_error_message=_("There is a limit for this already: change that one."),
            ),
            models.CheckConstraint(
                condition=models.Q(per_s__gt=0, burst__gte=1), name="rate_limit_lets_some_through"
            ),
        ]

    def __str__(self) -> str:
        level = f" · {self.level}" if self.level else ""
        return f"{self.get_by_display()}{level}: {self.per_s}/s, {self.burst}"

    def clean(self) -> None:
        """A limit of a level names it."""
        if self.level:
            try:
                self.level = checked_level(self.level)
            except ValidationError as error:
                raise ValidationError({"level": error}) from error
        elif self.by == LimitBy.LEVEL:
            raise ValidationError({"level": _("Which level?")})

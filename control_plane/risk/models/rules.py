"""Rules that the gateway compares every purchase with."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import Item
from control_plane.risk import values

# What the edge's score goes up to (`rs` of the token).
SCORE_MAX = 100
# Gateways remember who was seen for so long, in a memory of fixed size.
WITHIN_S_MAX = 3600
MORE_THAN_MAX = 1000


class RuleKind(models.TextChoices):
    """What of a purchase a rule looks at."""

    CIDR = "cidr", _("network address")
    DEVICE = "device", _("device")
    SHOPPER = "shopper", _("shopper")
    USER_AGENT = "user_agent", _("browser name")
    SCORE = "score", _("risk score")
    VELOCITY = "velocity", _("many shoppers at one place")


class RuleMode(models.TextChoices):
    """Shadow rules are counted only."""

    ENFORCE = "enforce", _("enforced")
    SHADOW = "shadow", _("shadow")


class RuleAction(models.TextChoices):
    """What happens to a purchase that matches."""

    ALLOW = "allow", _("allow, and look no further")
    CHALLENGE = "challenge", _("ask for a human check")
    SLOW = "slow", _("slow queue")
    DENY = "deny", _("deny")


class VelocityOf(models.TextChoices):
    """Where shoppers are counted."""

    DEVICE = "device", _("device")
    ADDRESS = "address", _("address")


# Which fields say what a rule of this kind looks for; the others stay empty.
FIELDS_OF_KIND = {
    RuleKind.CIDR: ("cidr",),
    RuleKind.DEVICE: ("value",),
    RuleKind.SHOPPER: ("value",),
    RuleKind.USER_AGENT: ("value",),
    RuleKind.SCORE: ("min_score",),
    RuleKind.VELOCITY: ("of", "more_than", "within_s"),
}
KIND_FIELDS = ("cidr", "value", "min_score", "of", "more_than", "within_s")
CHECKS: dict[str, Callable[[str], str]] = {
    RuleKind.CIDR: values.checked_network,
    RuleKind.DEVICE: values.checked_device,
    RuleKind.SHOPPER: values.checked_shopper,
    RuleKind.USER_AGENT: values.checked_user_agent,
}


class RiskRule(models.Model):
    """The first enforced rule that matches decides, in the order of `priority`."""

    item = models.ForeignKey(
        Item,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("item"),
        help_text=_("Empty: all items."),
    )
    kind = models.CharField(_("looks at"), max_length=10, choices=RuleKind.choices)
    mode = models.CharField(
        _("mode"),
        max_length=7,
        choices=RuleMode.choices,
        default=RuleMode.SHADOW,
        help_text=_("Shadow: matches are counted, nobody is refused."),
    )
    action = models.CharField(_("action"), max_length=9, choices=RuleAction.choices)
    priority = models.PositiveSmallIntegerField(
        _("priority"),
        default=100,
        validators=[MaxValueValidator(1000)],
        help_text=_("The smallest comes first; of equal ones the older."),
    )
    cidr = models.CharField(
        _("network"), max_length=49, blank=True, help_text=_("10.0.0.0/8 or 2001:db8::/32")
    )
    value = models.CharField(
        _("text"),
        max_length=200,
        blank=True,
        help_text=_("The device or shopper exactly, or a part of the browser's name."),
    )
    min_score = models.PositiveSmallIntegerField(
        _("score from"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(SCORE_MAX)],
        help_text=_("1 to 100; the rule matches this score and higher ones."),
    )
    of = models.CharField(
        _("counted by"), max_length=7, choices=VelocityOf.choices, blank=True, default=""
    )
    more_than = models.PositiveSmallIntegerField(
        _("more shoppers than"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MORE_THAN_MAX)],
    )
    within_s = models.PositiveSmallIntegerField(
        _("within seconds"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(WITHIN_S_MAX)],
    )
    until = models.DateTimeField(
        _("until"), null=True, blank=True, help_text=_("Empty: until somebody ends it.")
    )
    note = models.CharField(_("note"), max_length=200, help_text=_("Why there is this rule."))
    created_at = models.DateTimeField(_("created at"), editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("created by"),
    )
    # By a person, or by the clock at `until`.
    ended_at = models.DateTimeField(_("ended at"), null=True, editable=False)

    class Meta:
        verbose_name = _("risk rule")
        verbose_name_plural = _("risk rules")
        ordering = ["priority", "pk"]
        indexes = [
            # The snapshot and the clock look at those only.
            models.Index(
                fields=["priority", "id"],
                condition=models.Q(ended_at=None),
                name="risk_rule_not_ended",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.looks_for}"

    @property
    def looks_for(self) -> str:
        """What a purchase must have to match."""
        if self.kind == RuleKind.SCORE:
            return f"≥ {self.min_score}"
        if self.kind == RuleKind.VELOCITY:
            return f"{self.get_of_display()} > {self.more_than} / {self.within_s} s"
        return self.cidr or self.value

    def clean(self) -> None:
        """The fields of the rule's kind are given and right, the others empty."""
        wanted = FIELDS_OF_KIND.get(RuleKind(self.kind)) if self.kind in RuleKind.values else None
        if wanted is None:
            return  # the field says so
        errors: dict[str, Any] = {}
        for name in KIND_FIELDS:
            is_given = getattr(self, name) not in (None, "")
            if name in wanted and not is_given:
                errors[name] = _("A rule of this kind needs it.")
            elif is_given and name not in wanted:
                errors[name] = _("A rule of this kind does not look at it. Leave it empty.")
        field, check = wanted[0], CHECKS.get(self.kind)
        if check is not None and field not in errors:
            try:
                setattr(self, field, check(getattr(self, field)))
            except ValidationError as error:
                errors[field] = error
        if errors:
            raise ValidationError(errors)

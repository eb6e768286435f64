"""Comparisons of all sides of a campaign, what each of them found, and what was done about it."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import Campaign


class FindingKind(models.TextChoices):
    """What may be wrong with one reservation, order or movement; README.md has each exactly."""

    MISSING_IN_KAFKA = "missing_in_kafka", _("missing in Kafka")
    MISSING_IN_PG = "missing_in_pg", _("missing in PostgreSQL")
    GHOST = "ghost", _("ghost: nobody reserved it")
    LATE = "late", _("late")
    DUPLICATE = "duplicate", _("duplicate")
    OVER_LIMIT = "over_limit", _("over the shopper's limit")
    AMOUNT_DIFF = "amount_diff", _("amounts differ")
    STUCK_GRANT = "stuck_grant", _("grant that is stuck")
    STUCK_RECLAIM = "stuck_reclaim", _("reclaim that is stuck")
    STUCK_DLQ = "stuck_dlq", _("dead letter that is stuck")
    LOST_ON_FAILOVER = "lost_on_failover", _("lost on failover")


class RunKind(models.TextChoices):
    """Who wanted to know."""

    BY_HAND = "by_hand", _("by hand")
    # While the epochs' keys are still there.
    AT_END = "at_end", _("at the end of the sale")
    DAY_AFTER = "day_after", _("a day after")


class Outcome(models.TextChoices):
    """UNKNOWN: a side could not be read, so nothing is said about any of them."""

    BALANCED = "balanced", _("balanced")
    FINDINGS = "findings", _("does not balance")
    UNKNOWN = "unknown", _("unknown: could not look")


class Run(models.Model):
    """One comparison of all sides of a campaign. A trigger refuses UPDATE and DELETE.

    `counts` are findings by kind, `items` the equation I1 of each item filled in (`books.FIELDS`
    and more), `sides` rows read by table, `in_flight` what was on its way and is no finding.
    """

    campaign = models.ForeignKey(
        Campaign,
        on_delete=models.PROTECT,
        related_name="reconciliation_runs",
        verbose_name=_("campaign"),
    )
    kind = models.CharField(_("occasion"), max_length=12, choices=RunKind.choices)
    # From the first look, as `Reconciliation.day`; None for the others.
    day = models.PositiveSmallIntegerField(_("day"), null=True)
    started_at = models.DateTimeField(_("begun at"))
    finished_at = models.DateTimeField(_("finished at"))
    engine = models.CharField(_("engine"), max_length=8)
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome.choices)
    # Why it is unknown.
    problem = models.CharField(_("problem"), max_length=500, blank=True)
    items = models.JSONField(_("items"), default=list)
    counts = models.JSONField(_("findings by kind"), default=dict)
    sides = models.JSONField(_("rows read"), default=dict)
    in_flight = models.JSONField(_("under way"), default=dict)
    # Where its Parquet files are, on the host that ran it.
    folder = models.CharField(_("folder"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("reconciliation of all sides")
        verbose_name_plural = _("reconciliations of all sides")
        permissions = [("download_findings", "Can download what a reconciliation found")]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "day"],
                condition=models.Q(kind=RunKind.DAY_AFTER) & ~models.Q(outcome=Outcome.UNKNOWN),
                name="reconciliation_run_once_a_day",
            )
        ]
        indexes = [models.Index(fields=["campaign", "-id"], name="reconciliation_run_newest")]

    def __str__(self) -> str:
        return f"{self.campaign} · {self.pk}"


class Finding(models.Model):
    """One thing that is wrong. A trigger refuses UPDATE and DELETE.

    `what` says which of its kind (README.md); `ref` is the entry of the outbox, partition/offset,
    grant, reclaim or dead letter; `expected` and `found` are what two sides say of an amount.
    """

    run = models.ForeignKey(
        Run, on_delete=models.PROTECT, related_name="findings", verbose_name=_("run")
    )
    kind = models.CharField(_("kind"), max_length=16, choices=FindingKind.choices)
    what = models.CharField(_("what"), max_length=24)
    # Nothing is left to do about it.
    is_notice = models.BooleanField(_("for information"), default=False)
    # No foreign keys: a ghost may name what there is not.
    item_number = models.BigIntegerField(_("item"), null=True)
    shard = models.IntegerField(_("shard"), null=True)
    epoch = models.BigIntegerField(_("epoch"), null=True)
    shopper = models.CharField(_("shopper"), max_length=64, blank=True)
    reservation_id = models.CharField(_("reservation"), max_length=64, blank=True)
    order_number = models.BigIntegerField(_("order"), null=True)
    ref = models.CharField(_("reference"), max_length=64, blank=True)
    expected = models.BigIntegerField(_("expected"), null=True)
    found = models.BigIntegerField(_("found"), null=True)

    class Meta:
        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        indexes = [models.Index(fields=["run", "kind"], name="finding_of_run")]

    def __str__(self) -> str:
        return f"{self.kind} {self.reservation_id or self.ref}"


class RepairOutcome(models.TextChoices):
    """DONE: and seen to be so. TRIED: asked for, and not seen yet."""

    DONE = "done", _("repaired")
    NOT_NEEDED = "not_needed", _("has mended itself")
    TRIED = "tried", _("tried, result not seen yet")
    FAILED = "failed", _("failed")


class Repair(models.Model):
    """What was done about a finding, without a person. A trigger refuses UPDATE and DELETE."""

    finding = models.OneToOneField(
        Finding,
        primary_key=True,
        on_delete=models.PROTECT,
        related_name="repair",
        verbose_name=_("finding"),
    )
    at = models.DateTimeField(_("at"))
    action = models.CharField(_("what was done"), max_length=16)
    outcome = models.CharField(_("outcome"), max_length=12, choices=RepairOutcome.choices)
    text = models.CharField(_("more"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("repair")
        verbose_name_plural = _("repairs")

    def __str__(self) -> str:
        return f"{self.action}: {self.outcome}"

"""Draws, and where each item's queue stands.

Written by `services` only. The queue controller calls it.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.campaigns.models import Item


class Draw(models.Model):
    """The order in which an item's lobby is served.

    `commit` is public from the approval on, `seed` from the close of the lobby on; together with
    `sizes` it gives everybody's place. A row that was revealed never changes again (a trigger).
    """

    item = models.OneToOneField(
        Item,
        primary_key=True,
        on_delete=models.PROTECT,
        related_name="draw",
        verbose_name=_("item"),
    )
    # Hex of 32 random bytes. Whoever knows it before the reveal could choose when to join.
    seed = models.CharField(max_length=64)
    commit = models.CharField(_("commitment"), max_length=64)
    # How many joined, by bucket.
    sizes = models.JSONField(_("lobby sizes"), null=True)
    buckets = models.JSONField(_("buckets"), null=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    closed_at = models.DateTimeField(_("lobby closed at"), null=True)
    revealed_at = models.DateTimeField(_("revealed at"), null=True)

    class Meta:
        verbose_name = _("draw")
        verbose_name_plural = _("draws")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    revealed_at__isnull=True, closed_at__isnull=True, sizes__isnull=True
                )
                | models.Q(revealed_at__isnull=False, closed_at__isnull=False, sizes__isnull=False),
                name="draw_is_revealed_whole",
            )
        ]

    def __str__(self) -> str:
        return f"{self.item_id}"


class QueueState(models.Model):
    """What must survive the loss of the counters in Redis: the generation and high-water marks.

    `layout` says what places mean: tickets of before a change of it are none. `marks` has, each
    with a value a bucket, `numbers`, `ceilings`, `lobby`, `lobby_ceilings`, `window` (pairs of
    `served_until` and `written_off`) and `gaps` (lists of pairs): `workers/queue/marks.py`.
    """

    item = models.OneToOneField(
        Item,
        primary_key=True,
        on_delete=models.PROTECT,
        related_name="queue_state",
        verbose_name=_("item"),
    )
    generation = models.PositiveIntegerField(_("generation"), default=0)
    oldest = models.PositiveIntegerField(_("oldest valid generation"), default=1)
    source = models.CharField(_("stock source"), max_length=10, default="")
    layout = models.JSONField(_("layout"), default=dict)
    marks = models.JSONField(_("marks"), default=dict)
    # Of two controllers that write at once one finds another revision and writes nothing.
    revision = models.PositiveIntegerField(_("revision"), default=0)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("state of a queue")
        verbose_name_plural = _("states of queues")

    def __str__(self) -> str:
        return f"{self.item_id} · {self.generation}"

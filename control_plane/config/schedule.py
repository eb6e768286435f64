"""What the clock does by itself: the schedule as it is delivered.

`prepare` writes it into the tables of django-celery-beat, where people see and edit it; what is
there already stays as they left it. Beat reads the tables again within a second of an edit.
"""

from typing import Any, NamedTuple

from django.db.models import ProtectedError
from django.utils.translation import gettext_lazy as _


class Entry(NamedTuple):
    """A task and how often it is sent; a tick nobody took within `expires_s` is dropped.

    Such a tick is worthless: every task asks the database what is due, so the next one does it.
    """

    name: str
    task: str
    every_s: int
    expires_s: int
    purpose: object
    # Whether it is delivered switched on.
    enabled: bool = True


BUILT_IN = (
    Entry(
        "advance-campaigns",
        "campaigns.advance_campaigns",
        1,
        2,
        _("Opens and ends campaigns on time."),
    ),
    Entry(
        "warm-campaigns",
        "campaigns.warm_campaigns",
        5,
        10,
        _("Sees that campaigns about to start are armed, and raises the alarm when they are not."),
    ),
    Entry(
        "settle-campaigns",
        "campaigns.settle_campaigns",
        5,
        10,
        _("Writes the totals of ended campaigns once nothing of them moves any more."),
    ),
    Entry(
        "revert-switches",
        "switches.revert_due_switches",
        1,
        2,
        _("Reverts switches whose time is over."),
    ),
    Entry(
        "sign-with-due-key",
        "snapshot.sign_with_due_key",
        1,
        2,
        _("Lets a new entry key sign once every gateway knows it."),
    ),
    Entry(
        "publish-pages",
        "pages.publish_pages",
        1,
        2,
        _("Publishes the pages of campaigns that changed."),
    ),
    Entry("end-risk-rules", "risk.end_due", 1, 2, _("Ends risk rules, limits and bans on time.")),
    Entry(
        "forget-risk-figures",
        "risk.forget_figures",
        3600,
        7200,
        _("Forgets what risk rules matched more than a week ago."),
    ),
    Entry(
        "expire-orders",
        "orders.expire_orders",
        1,
        2,
        _("Ends orders that were not paid in time; their units go back on sale."),
    ),
    Entry(
        "mend-statuses",
        "orders.mend_statuses",
        5,
        10,
        _("Writes shoppers' statuses again that the work Redis has lost."),
    ),
    Entry(
        "refund-due",
        "payments.refund_due",
        1,
        2,
        _("Gives money back that came too late to buy anything, until the provider has done it."),
    ),
    Entry(
        "retry-dead-letters",
        "dead_letters.retry_due",
        5,
        10,
        _("Lands reservations again that could not become an order, at their time."),
    ),
    Entry(
        "reconcile-campaigns",
        "reconciliation.reconcile",
        60,
        120,
        _("Compares all books of a campaign a day after its end."),
    ),
    Entry(
        "compare-sides",
        "reconciliation.compare_sides",
        60,
        120,
        _("Compares Redis, Kafka and PostgreSQL after a campaign's end, and mends what is safe."),
    ),
    Entry(
        "deliver-webhooks",
        "webhooks.deliver",
        1,
        2,
        _("Tells merchants' servers what happened to orders, until they have heard it."),
    ),
    Entry(
        "forget-answers",
        "api.forget_answers",
        600,
        1200,
        _("Forgets answers of the API that were kept for a day for whoever repeats a request."),
    ),
    Entry(
        "tend-webhooks",
        "webhooks.tend",
        60,
        120,
        _("Switches off webhook endpoints that fail for days; forgets deliveries of 30 days ago."),
    ),
    Entry(
        "run-drills",
        "drills.begin",
        24 * 3600,
        2 * 24 * 3600,
        _("Breaks a stack of its own under load and keeps the report; only on staging."),
        enabled=False,
    ),
)


def entry(name: str) -> Entry:
    """The delivered entry of this name; KeyError."""
    return {one.name: one for one in BUILT_IN}[name]


def is_delivered(name: str) -> bool:
    """Whether it is one of ours."""
    return any(one.name == name for one in BUILT_IN)


def refuse_to_delete(instance: Any, **_kwargs: Any) -> None:
    """Receiver of `pre_delete`: a delivered entry would go with the rhythm it has."""
    ours = [one.name for one in BUILT_IN]
    using = list(instance.periodictask_set.filter(name__in=ours))
    if using:
        raise ProtectedError(f"{instance} is what {using[0].name} runs by", set(using))


def sync() -> int:
    """Write the entries that are not there; returns how many. Idempotent."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    made = 0
    for one in BUILT_IN:
        if PeriodicTask.objects.filter(name=one.name).exists():
            # Ours, whatever people made of its times: a task that was renamed would never run.
            PeriodicTask.objects.filter(name=one.name).exclude(task=one.task).update(task=one.task)
            continue
        # People may have made several alike: the table does not forbid it.
        alike = {"every": one.every_s, "period": IntervalSchedule.SECONDS}
        interval = IntervalSchedule.objects.filter(**alike).first()
        interval = interval or IntervalSchedule.objects.create(**alike)
        _task, is_new = PeriodicTask.objects.get_or_create(
            name=one.name,
            defaults={
                "task": one.task,
                "interval": interval,
                "expire_seconds": one.expires_s,
                "enabled": one.enabled,
            },
        )
        made += is_new
    return made

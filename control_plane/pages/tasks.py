"""The clock publishes what has changed."""

import logging

from django.utils import timezone

from control_plane.config.celery import app
from control_plane.pages import services

log = logging.getLogger(__name__)


@app.task(name="pages.publish_pages")
def publish_pages() -> None:
    """Approvals, new words, the end of a sale: whatever changed is published within a second.

    Idempotent; a run beside another does nothing. What a crash left half is done by the next run.
    """
    try:
        done = services.publish(timezone.now())
    except services.Elsewhere:
        return
    if done.changed or done.swept:
        log.info(
            "published %d of %d campaigns, swept %d files",
            done.rendered,
            done.campaigns,
            done.swept,
        )

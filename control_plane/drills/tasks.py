"""What the clock does on a staging installation, where somebody has enabled it."""

import logging

from django.utils import timezone

from control_plane.config.celery import app
from control_plane.drills import services

log = logging.getLogger(__name__)


@app.task(name="drills.begin")
def begin(soak: str = services.SOAK, names: tuple[str, ...] = ()) -> None:
    """Begin one; returns at once. The entry's arguments in the admin choose which."""
    try:
        seed = services.begin(soak, names, timezone.now())
    except services.DrillError as error:
        log.error("no drill was begun: %s", error)  # it says all there is
    else:
        log.info("a drill has begun, seed %d", seed)

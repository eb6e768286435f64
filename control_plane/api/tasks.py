"""What the clock does to kept answers."""

from control_plane.api import idempotency
from control_plane.config.celery import app


@app.task(name="api.forget_answers")
def forget_answers() -> None:
    """Drop answers that nobody may ask for again. Idempotent."""
    while idempotency.forget_old() == idempotency.FORGET_A_RUN:
        pass

"""What the clock does to kept answers."""

from control_plane.api import idempotency
from control_plane.config.celery import app
from control_plane.config.singleton import alone

# Any constant; one number per singleton task.
FORGET_LOCK = 0x51_A41F
# What is left then waits for the next tick: nobody waits behind this one.
RUNS_MAX = 20


@app.task(name="api.forget_answers")
def forget_answers() -> None:
    """Drop answers that nobody may ask for again. Idempotent; beside another it does nothing."""
    with alone(FORGET_LOCK) as is_alone:
        runs = RUNS_MAX if is_alone else 0
        while runs and idempotency.forget_old() == idempotency.FORGET_A_RUN:
            runs -= 1

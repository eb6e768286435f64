"""What the clock does to dead letters."""

import time

from django.utils import timezone

from control_plane.config.celery import TASK_SOFT_LIMIT_S, app
from control_plane.config.singleton import alone
from control_plane.dead_letters import services

# Any constant; one number per singleton task.
RETRY_LOCK = 0x51_0DE4
# Only other slow tasks wait behind a run. One attempt may wait 10 s for a lock.
RUN_S = 2.0
ATTEMPT_MAX_S = 10.0
LETTERS_A_RUN = 500
assert RUN_S + ATTEMPT_MAX_S < TASK_SOFT_LIMIT_S


@app.task(name="dead_letters.retry_due")
def retry_due() -> None:
    """Make the attempts that are due. Idempotent; a run beside another does nothing."""
    with alone(RETRY_LOCK) as is_alone:
        if not is_alone:
            return
        ends_at = time.monotonic() + RUN_S
        for _ in range(LETTERS_A_RUN):
            result = services.retry_due(timezone.now())
            if result in (None, services.Result.UNAVAILABLE) or time.monotonic() > ends_at:
                break

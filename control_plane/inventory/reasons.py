"""Whoever interferes says why."""

REASON_LENGTH_MAX = 200


def checked(reason: str) -> str:
    """The reason without spaces around it; ValueError when it is missing or too long."""
    reason = reason.strip()
    if not reason or len(reason) > REASON_LENGTH_MAX:
        raise ValueError(f"reason: 1 to {REASON_LENGTH_MAX} characters, not {len(reason)}")
    return reason

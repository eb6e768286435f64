"""The edge's human check, answered as a page does: ALTCHA's proof of work, and somebody's hands."""

import base64
import hashlib
import json
import random
from itertools import count
from typing import Any

ALGORITHM = "PBKDF2/SHA-256"


def work_on(challenge: dict[str, Any]) -> str:
    """ALTCHA's payload for a challenge: about a tenth of a second of one core."""
    given = challenge["parameters"]
    if given["algorithm"] != ALGORITHM:
        raise ValueError(f"cannot work on {given['algorithm']}")
    nonce, salt = bytes.fromhex(given["nonce"]), bytes.fromhex(given["salt"])
    prefix = bytes.fromhex(given["keyPrefix"])
    for counter in count():
        password = nonce + counter.to_bytes(4, "big")
        key = hashlib.pbkdf2_hmac("sha256", password, salt, given["cost"], given["keyLength"])
        if key.startswith(prefix):
            break
    solved = {"counter": counter, "derivedKey": key.hex()}
    text = json.dumps({"challenge": challenge, "solution": solved})
    return base64.b64encode(text.encode()).decode()


def hands(seed: int) -> str:
    """A trace (`edge-workers/shared/trace.ts`) of somebody who walks the page by keyboard."""
    choice = random.Random(seed)
    keys = [(choice.randint(15, 80), choice.randint(12, 40)) for _ in range(6)]
    trace = bytes([1, 0, 9, 0, 0, 0, len(keys), *(part for key in keys for part in key)])
    return base64.urlsafe_b64encode(trace).decode().rstrip("=")


def answer(question: dict[str, Any], seed: int) -> dict[str, Any] | None:
    """The `check` of an entry's body; None when nothing is asked."""
    if question["provider"] == "none":
        return None
    return {"provider": "altcha", "payload": work_on(question["challenge"]), "trace": hands(seed)}

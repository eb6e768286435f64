"""Writes webhooks.json: `python -m tests.vectors.write_webhook_vectors`, after a wanted change.

The first vector is the published example of Standard Webhooks, with its signature written out: it
holds us to the specification and not to ourselves.
"""

import json
from pathlib import Path
from typing import Any

from control_plane.webhooks import signing

FILE = Path(__file__).with_name("webhooks.json")
OLD = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
NEW = "whsec_QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="
AT_S = 1_795_348_800
BODY = (
    '{"id":"evt_6c29","type":"order.paid","timestamp":"2026-11-26T12:00:00.000Z",'
    '"data":{"campaign":"春茶","item":7,"qty":1}}'
)
STANDARD = {
    "name": "the specification's example",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "now_s": 1614265330,
    "headers": {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
    "body": '{"test": 2432232314}',
}


def _vector(name: str, secret: str = NEW, live: tuple[str, ...] = (NEW,), **changed: Any) -> Any:
    headers = signing.headers(live, "evt_6c29", AT_S, BODY.encode())
    headers |= changed.pop("headers", {})
    given = {"name": name, "secret": secret, "now_s": AT_S, "headers": headers, "body": BODY}
    return given | changed


def main() -> None:
    """Write them."""
    signed = signing.headers([NEW], "evt_6c29", AT_S, BODY.encode())[signing.SIGNATURE]
    valid = [
        STANDARD,
        _vector("one secret"),
        _vector("rotating, by the new one", live=(NEW, OLD)),
        _vector("rotating, by the old one", OLD, (NEW, OLD)),
        _vector("five minutes late", now_s=AT_S + 300),
    ]
    invalid = [
        _vector("another secret", OLD),
        _vector("another body", body=BODY.replace(":1}", ":2}")),
        _vector("another event", headers={signing.ID: "evt_6c28"}),
        _vector("another time", headers={signing.TIMESTAMP: str(AT_S + 1)}),
        _vector("another version", headers={signing.SIGNATURE: signed.replace("v1,", "v1a,")}),
        _vector("no signature", headers={signing.SIGNATURE: ""}),
        _vector("too old", now_s=AT_S + 301),
        _vector("from the future", now_s=AT_S - 301),
    ]
    text = json.dumps({"valid": valid, "invalid": invalid}, ensure_ascii=False, indent=1)
    FILE.write_text(text + "\n")


if __name__ == "__main__":
    main()

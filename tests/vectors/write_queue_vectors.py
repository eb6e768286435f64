"""Writes the golden vectors of the queue: python -m tests.vectors.write_queue_vectors"""

import base64
import hashlib
import hmac
import json
import random
from pathlib import Path
from typing import Any

from control_plane.queues.places import ALGORITHM, Places, commit_of
from tests.vectors.queue_ticket import Ticket, signature_of, write

FOLDER = Path(__file__).parent
NOW = 1_795_348_800
ALL_OF = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256, 257)
SOME_OF = (1000, 4095, 4096, 4097, 65_535, 65_536, 65_537, 1_000_000, 2**30)
SAMPLES = 12


def draw_places() -> dict[str, Any]:
    """Places of small lobbies whole, of large ones at some numbers, the ends among them."""
    rng, draws = random.Random(4), []
    for index, size in enumerate((*ALL_OF, *SOME_OF)):
        seed = hashlib.sha256(f"seed {index % 3}".encode()).digest()
        item, bucket = 7 + index % 2, index % 4
        places = Places(seed, item, bucket, size)
        numbers = (
            list(range(size))
            if size in ALL_OF
            else sorted({0, 1, size - 1, *rng.sample(range(size), SAMPLES)})
        )
        draws.append(
            {
                "seed": seed.hex(),
                "commit": commit_of(seed),
                "item": item,
                "bucket": bucket,
                "size": size,
                "numbers": numbers,
                "places": [places.place_of(number) for number in numbers],
            }
        )
    return {"algorithm": ALGORITHM, "draws": draws}


def tickets() -> dict[str, Any]:
    """Tickets that are read, and such that are refused, each with its reason for a name."""
    secrets = {"e-new": b"\x11" * 32, "e-old": b"\x22" * 32}
    good = Ticket(7, 1, "lobby", 12, "shopper-1", 3, NOW + 60)
    valid = {
        "of the lobby": (good, "e-new"),
        "by the older key": (good, "e-old"),
        "first come": (Ticket(7, 0, "fifo", 0, "a", 1, NOW + 1), "e-new"),
        "a place": (Ticket(123_456_789_012, 15, "place", 2**40, "a" * 64, 10**9, 2**33), "e-new"),
        "a shopper of every character": (Ticket(7, 0, "fifo", 5, "aZ09._:-", 1, NOW + 60), "e-new"),
    }
    text = write(good, "e-new", secrets["e-new"])
    kid, payload, signature = text.split(".")
    other = write(Ticket(7, 1, "lobby", 11, "shopper-1", 3, NOW + 60), "e-new", secrets["e-new"])
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    stray = last[last.index(signature[-1]) ^ 1]
    rekeyed = f"e-old.{payload}"

    def signed(claims: str) -> str:
        encoded = base64.urlsafe_b64encode(claims.encode()).decode().rstrip("=")
        return f"e-new.{encoded}.{signature_of(f'e-new.{encoded}', secrets['e-new'])}"

    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    invalid = {
        "expired just now": write(
            Ticket(7, 1, "lobby", 12, "shopper-1", 3, NOW), "e-new", secrets["e-new"]
        ),
        "a key that nobody has": write(good, "e-gone", b"\x33" * 32),
        "a known kid with another key": write(good, "e-new", b"\x33" * 32),
        "signed by the older key under the newer kid": write(good, "e-new", secrets["e-old"]),
        "the newer kid's signature under the older kid": f"{rekeyed}.{signature}",
        "another ticket's signature": f"{kid}.{payload}.{other.split('.')[2]}",
        "another ticket's payload": f"{kid}.{other.split('.')[1]}.{signature}",
        "signed with the entry key itself": f"{kid}.{payload}."
        + _plain(f"{kid}.{payload}", secrets["e-new"]),
        "stray bits behind the signature": text[:-1] + stray,
        "a signature that is cut": text[:-1],
        "a letter too many": text + "A",
        "padding": text + "=",
        "a fourth segment": f"{text}.AAAA",
        "no signature": f"{kid}.{payload}",
        "an empty signature": f"{kid}.{payload}.",
        "no kid": f".{payload}.{signature}",
        "nothing": "",
        "dots": "..",
        "a blank before": f" {text}",
        "too long": "e-new." + "A" * 500 + "." + signature,
        "another version": signed(json.dumps(claims | {"v": 2})),
        "another kind": signed(json.dumps(claims | {"kind": "vip"})),
        "a negative number": signed(json.dumps(claims | {"number": -1})),
        "half a number": signed(json.dumps(claims | {"number": 0.5})),
        "no expiry": signed(json.dumps({name: claims[name] for name in claims if name != "exp"})),
        "a list": signed("[1]"),
        "no JSON": signed("{"),
    }
    return {
        "keys": [
            {"kid": name, "secret": _text(secret), "sign": name == "e-new"}
            for name, secret in secrets.items()
        ],
        "now": NOW,
        "valid": [
            {"name": name, "ticket": write(ticket, kid, secrets[kid]), "claims": _claims(ticket)}
            for name, (ticket, kid) in valid.items()
        ],
        "invalid": [{"name": name, "ticket": bad} for name, bad in invalid.items()],
    }


def _plain(text: str, secret: bytes) -> str:
    return _text(hmac.digest(secret, text.encode(), hashlib.sha256))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _claims(ticket: Ticket) -> dict[str, Any]:
    return {
        "item": ticket.item,
        "bucket": ticket.bucket,
        "kind": ticket.kind,
        "number": ticket.number,
        "sub": ticket.shopper,
        "gen": ticket.generation,
        "exp": ticket.exp,
    }


def texts() -> dict[str, str]:
    """File name → its content."""
    made = {"draw_places.json": draw_places(), "tickets.json": tickets()}
    return {name: json.dumps(content, indent=1) + "\n" for name, content in made.items()}


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / name).write_text(text)

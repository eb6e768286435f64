"""Prepared purchases for a load client: real signed entry tokens, one shopper and one use each."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path

LIFETIME_S = 120
# As long as a browser's usually is: nginx looks for some names in it.
AGENT = (
    b"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/130.0.0.0 Mobile Safari/537.36"
)
SIGNATURE_CHARS = 43


def write(
    path: Path, url_path: str, *, item: int, kid: str, secret: bytes, first: int, count: int
) -> int:
    """Write `count` HTTP/1.1 requests of one length; returns that length in bytes.

    Each comes from an address, a device and a shopper of its own: limits are in force.
    """
    lengths = set()
    with path.open("wb") as file:
        for request in each(url_path, item=item, kid=kid, secret=secret, first=first, count=count):
            lengths.add(file.write(request))
    assert len(lengths) == 1, "requests differ in length"
    return lengths.pop()


def each(
    url_path: str, *, item: int, kid: str, secret: bytes, first: int, count: int
) -> Iterator[bytes]:
    """Those requests, one after another.

    Tokens are valid for two minutes from now. Signing is plain HMAC here: preparing 200,000
    requests with a JWT library would outlive the first tokens.
    """
    head = _base64url(_json({"alg": "HS256", "typ": "JWT", "kid": kid}))
    now = int(time.time())
    for number in range(first, first + count):
        claims = {
            "iss": "sluice-edge",
            "aud": "sluice-gateway",
            "sub": shopper(number),
            "item": item,
            "dev": f"device-{number:09d}",
            "lvl": "regular",
            "rs": 0,
            "jti": f"{number:016x}",
            "nbf": now,
            "iat": now,
            "exp": now + LIFETIME_S,
        }
        signed = head + b"." + _base64url(_json(claims))
        signature = _base64url(hmac.new(secret, signed, hashlib.sha256).digest())
        yield _request(url_path, signed + b"." + signature, _address(number))


def shopper(number: int) -> str:
    """Who makes the request of this number."""
    return f"shopper-{number:08d}"


def secret_of(text: str) -> bytes:
    """A key as the snapshot lists it."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _address(number: int) -> bytes:
    """One of 3.8 million addresses that are all as long."""
    last = [100 + number // 156**place % 156 for place in (2, 1, 0)]
    return "10.{}.{}.{}".format(*last).encode()


def _request(url_path: str, token: bytes, address: bytes) -> bytes:
    body = b'{"qty":1}'
    head = (
        f"POST {url_path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nAuthorization: Bearer "
    ).encode()
    # wrk keeps a request as a LuaJIT string, and LuaJIT hashes only four bytes each at the start,
    # a quarter, the middle and the end. The cookie puts the signature in the middle; without
    # it all requests meet in one bucket and wrk measures its own memcmp.
    before_middle = len(head) + len(token) - SIGNATURE_CHARS // 2
    agent = b"\r\nUser-Agent: " + AGENT
    end = b"\r\nX-Forwarded-For: " + address + b"\r\n\r\n" + body
    cookie = b"\r\nCookie: visit="
    filler = b"w" * (before_middle - SIGNATURE_CHARS // 2 - len(agent + cookie + end))
    return head + token + agent + cookie + filler + end


def _json(value: dict[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")

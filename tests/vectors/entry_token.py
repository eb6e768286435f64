"""A strict reader of entry tokens in Python: the third opinion on the golden vectors.

The signature is pyjwt's to check, everything else is checked here
(RFC 7519, RFC 8725, DESIGN §7).
"""

import base64
import json
import re
from typing import Any

import jwt

TOKEN_BYTES_MAX = 2048
LEEWAY_S, LIFETIME_S_MAX, PUZZLE_S_MAX = 5, 120, 1800
HEADER_FIELDS = {"alg", "typ", "kid"}
CLAIMS = {
    "sub": r"[A-Za-z0-9._:-]{1,64}",
    "dev": r"[A-Za-z0-9_-]{8,64}",
    "lvl": r"[a-z_]{1,32}",
    "jti": r"[A-Za-z0-9_-]{1,64}",
}


class BadToken(ValueError):
    """Why it is refused."""


def read(token: str, keys: dict[str, bytes], item: int, now: int) -> dict[str, Any]:
    """The claims of a token for this item at this time (Unix seconds); raises BadToken."""
    if len(token) > TOKEN_BYTES_MAX:
        raise BadToken("too long")
    segments = token.split(".")
    if len(segments) != 3:
        raise BadToken("not three segments")
    header, claims = (_object(segment) for segment in segments[:2])
    _bytes(segments[2])
    if header.keys() - HEADER_FIELDS or header.get("typ") != "JWT":
        raise BadToken("header")
    kid = header.get("kid")
    if type(kid) is not str or kid not in keys:
        raise BadToken("key")
    try:
        jwt.PyJWS().decode(token, keys[kid], algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        raise BadToken(f"signature: {error}") from None
    _check(claims, item, now)
    return claims


def _check(claims: dict[str, Any], item: int, now: int) -> None:
    if (claims.get("iss"), claims.get("aud")) != ("sluice-edge", "sluice-gateway"):
        raise BadToken("issuer or audience")
    for name, pattern in CLAIMS.items():
        value = claims.get(name)
        if type(value) is not str or not re.fullmatch(pattern, value, re.ASCII):
            raise BadToken(name)
    numbers = {name: _integer(claims, name) for name in ("item", "rs", "nbf", "iat", "exp")}
    if numbers["item"] != item:
        raise BadToken("another item")
    if not 0 <= numbers["rs"] <= 100:
        raise BadToken("rs")
    exp, nbf, iat = numbers["exp"], numbers["nbf"], numbers["iat"]
    if exp - nbf > LIFETIME_S_MAX or exp - iat > LIFETIME_S_MAX:
        raise BadToken("lives too long")
    if "pz" in claims and _integer(claims, "pz") - iat > PUZZLE_S_MAX:
        raise BadToken("a puzzle counts too long")
    if now < nbf - LEEWAY_S or now >= exp + LEEWAY_S:
        raise BadToken("not its time")


def _integer(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    # JSON's 1.0 is the same number as 1 to the readers in Lua and TypeScript.
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1:
        raise BadToken(name)
    return int(value)


def _object(segment: str) -> dict[str, Any]:
    try:
        value = json.loads(_bytes(segment))
    except (ValueError, RecursionError):
        raise BadToken("not JSON") from None
    if type(value) is not dict:
        raise BadToken("not an object")
    return value


def _bytes(segment: str) -> bytes:
    """Of canonical base64url only: no padding, no stray bits."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", segment, re.ASCII) or len(segment) % 4 == 1:
        raise BadToken("not base64url")
    decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if base64.urlsafe_b64encode(decoded).decode().rstrip("=") != segment:
        raise BadToken("not canonical")
    return decoded

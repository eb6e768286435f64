"""Who is served when in a draw: lobby number n of N is served at place π(n).

Standard library only: the verifier, which anybody may run, is this file and `verify.py`. The same
in Lua is `openresty/gateway/queue/places.lua`; `tests/vectors/draw_places.json` holds both to it.

π is a balanced Feistel network (as in NIST SP 800-38G) over the smallest domain of 2·w bits that
holds N, walked in cycles until the result is below N (Black and Rogaway, "Ciphers with Arbitrary
Finite Domains", 2002). Its key is the draw's seed.
"""

import hashlib
from collections.abc import Sequence

ALGORITHM = "feistel-hmac-sha256-10"
# As FF1 of SP 800-38G. Four (Luby and Rackoff) are enough only while few of the places are known;
# here all of them are published, and the domain may have only a few bits.
ROUNDS = 10
DOMAIN = b"sluice-draw-1"
BLOCK_BYTES = 64
# Two halves of at most 15 bits: a value stays below the sign of a 32-bit integer, which Lua has.
SIZE_MAX = 2**30


def commit_of(seed: bytes) -> str:
    """What is published before the draw: the SHA-256 of the seed, in hex."""
    return hashlib.sha256(seed).hexdigest()


def packed(*parts: bytes | int) -> bytes:
    """Each part after its length in four bytes, numbers as decimal digits: never ambiguous."""
    texts = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
    return b"".join(len(text).to_bytes(4, "big") + text for text in texts)


class Places:
    """The permutation of one bucket of one item's draw; `size` is how many joined."""

    def __init__(self, seed: bytes, item: int, bucket: int, size: int) -> None:
        if not 0 <= size <= SIZE_MAX:
            raise ValueError(f"a lobby of {size}")
        self.size = size
        self._bits = max(1, ((max(size, 1) - 1).bit_length() + 1) // 2)
        self._mask = (1 << self._bits) - 1
        key = seed if len(seed) <= BLOCK_BYTES else hashlib.sha256(seed).digest()
        key = key.ljust(BLOCK_BYTES, b"\0")
        # HMAC's two pads are hashed once, and so is what every message of a round begins with.
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))
        inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))
        self._rounds = []
        for number in range(ROUNDS):
            begun = inner.copy()
            begun.update(packed(DOMAIN, item, bucket, size, number))
            self._rounds.append(begun)

    def place_of(self, number: int) -> int:
        """The place of lobby number `number`; raises ValueError unless 0 ≤ number < size."""
        if not 0 <= number < self.size:
            raise ValueError(f"lobby number {number} of {self.size}")
        place = self._once(number)
        # Ends: the walk stays on the number's own cycle, and the number itself is below size.
        while place >= self.size:
            place = self._once(place)
        return place

    def _once(self, value: int) -> int:
        left, right = value >> self._bits, value & self._mask
        for begun in self._rounds:
            left, right = right, left ^ self._function(begun, right)
        return left << self._bits | right

    def _function(self, begun: "hashlib._Hash", right: int) -> int:
        inner, outer = begun.copy(), self._outer.copy()
        inner.update(packed(right))
        outer.update(inner.digest())
        return int.from_bytes(outer.digest()[:2], "big") & self._mask


def places(seed: bytes, item: int, sizes: Sequence[int]) -> list[Places]:
    """One for each bucket, in the order of the buckets."""
    return [Places(seed, item, bucket, size) for bucket, size in enumerate(sizes)]

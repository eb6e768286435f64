"""What may be wrong with a wire, and what several such faults are together. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

BOTH, UP, DOWN = "both", "up", "down"  # up: from the client to the server
WAYS = (BOTH, UP, DOWN)


@dataclass(frozen=True)
class WireFault:
    """What happens to the bytes of a link.

    latency_ms and up to jitter_ms more for each; at most bytes_per_s of a connection; in pieces of
    slice_bytes. cut: connections are reset, new ones too. hole: nothing arrives and nothing ends,
    and what was on its way arrives when the hole is closed, as TCP would send it again.
    client: a regular expression of the command lines it is for; empty: everybody.
    """

    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    bytes_per_s: int = 0
    slice_bytes: int = 0
    cut: bool = False
    hole: bool = False
    way: str = BOTH
    client: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be, or does nothing."""
        if self.way not in WAYS:
            raise ValueError(f"way is {self.way!r}, and has to be one of {', '.join(WAYS)}")
        amounts = (self.latency_ms, self.jitter_ms, self.bytes_per_s, self.slice_bytes)
        if min(amounts) < 0:
            raise ValueError("an amount is negative")


def total(faults: Iterable[WireFault]) -> WireFault:
    """Several at once: times add up, of limits the narrowest counts."""
    chosen = list(faults)
    return WireFault(
        latency_ms=sum(one.latency_ms for one in chosen),
        jitter_ms=sum(one.jitter_ms for one in chosen),
        bytes_per_s=min((one.bytes_per_s for one in chosen if one.bytes_per_s), default=0),
        slice_bytes=min((one.slice_bytes for one in chosen if one.slice_bytes), default=0),
        cut=any(one.cut for one in chosen),
        hole=any(one.hole for one in chosen),
    )

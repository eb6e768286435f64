"""P1 to P10 of the README: their names, and on which side of the target is better."""

from collections.abc import Mapping
from typing import Any

LESS, MORE = "less", "more"
# Columns that are never one: what was accepted, what was refused, what stands in the end.
COUNTS = ("accepted", "refused", "landed")
# Name → English, Chinese, which side is better.
MEASURES = {
    "P1": ("whole purchase, beside hello", "完整购买,对比 hello", MORE),
    "P2": ("refusal of a sold-out item, beside hello", "售罄拒绝,对比 hello", MORE),
    "P3": ("durable reservations per Redis core-second", "每 Redis 核秒的持久预订数", MORE),
    "P4": ("orders landed, beside raw COPY", "订单落库,对比原始 COPY", MORE),
    "P5": ("relay, beside orders landed", "中继,对比订单落库", MORE),
    "P6": ("click → CONFIRMED p99 at half load", "半载时点击→确认 p99", LESS),
    "P7": ("switch → every gateway worker, p99", "开关→所有网关进程生效 p99", LESS),
    "P8": ("shard sells again after promotion", "副本升主后分片恢复售卖", LESS),
    "P9": ("memory in Redis for each person", "Redis 中每人占用的内存", LESS),
    "P10": ("fresh clone: make demo, first answer", "全新克隆:make demo 首个应答", LESS),
}


def shortfall(name: str, measure: Mapping[str, Any]) -> str:
    """How far the value is on the wrong side of the target, as a share of it; "" when it is not."""
    value, target = float(measure["value"]), float(measure["target"])
    behind = target - value if side(name) == MORE else value - target
    if behind <= 0:
        return ""
    if not target:
        return f"{behind:g}"
    share = behind / target
    return f"{share:.0%}" if share >= 0.01 else "< 1%"


def distance(name: str, measure: Mapping[str, Any]) -> str:
    """In words: met, or how far from it. A value may be good and its condition not."""
    if measure["met"]:
        return "met"
    missed = shortfall(name, measure)
    return f"missed by {missed}" if missed else "missed by a condition"


def side(name: str) -> str:
    """Which side of the target is better; a variant (`P1 behind a queue`) is as its measure."""
    return MEASURES[name.split(" ")[0]][2]

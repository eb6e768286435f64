"""`var/drill/report.html`: report.json as one page that needs nothing else. Pure."""

import html
import json
from pathlib import Path
from typing import Any

from tests.drill.report import NOT_SHOWN, replace

STYLE = Path(__file__).with_name("page.css")
# Figures that are drawn, or stand in a column of their own.
DRAWN = frozenset({*NOT_SHOWN, "timeline"})
COLUMNS = ("reserved", "confirmed", "rejected", "ended", "lost_on_failover", "late")
NOTE = (
    "Accepted, rejected and lost are counted apart; a drill whose fault did not happen is "
    "<b>broken</b>, not green. A control is the same drill without the guard that it shows, "
    "and has to fail."
)
LANE_PX, LEFT_PX, WIDTH_PX = 18, 240, 1000


def write(told: dict[str, Any], path: Path) -> None:
    """The page of a report.json."""
    replace(path, render(told))


def render(told: dict[str, Any]) -> str:
    """The whole page."""
    drills = told["drills"]
    green = sum(one["verdict"] == "pass" and _control_is_well(one) for one in drills)
    soaks = [one for one in drills if one["figures"].get("timeline")]
    seed = f" · seed {told['seed']}" if told.get("seed") is not None else ""
    about = " · ".join(
        _text(told[name]) for name in ("date", "commit", "machine") if told.get(name)
    )
    state = "good" if green == len(drills) else "bad"
    return "\n".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Drills</title><style>{STYLE.read_text()}</style></head><body><main>",
            f"<h1>Drills</h1><p class=about>{about}{_text(seed)}</p>",
            f"<p class='sum {state}'>{green} of {len(drills)} green</p>",
            _table(drills),
            *(_timeline(one) for one in soaks),
            f"<p class=note>{NOTE}</p>",
            "</main></body></html>",
        )
    )


def _control_is_well(drill: dict[str, Any]) -> bool:
    return drill["control"] in ("none", "not run", "fails as it must")


def _table(drills: list[dict[str, Any]]) -> str:
    head = "".join(
        f"<th>{_text(name.replace('_', ' '))}</th>"
        for name in ("drill", "verdict", *COLUMNS, "figures", "control", "s")
    )
    rows = "".join(_row(one) for one in drills)
    return (
        f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(drill: dict[str, Any]) -> str:
    found = drill["figures"]
    counts = "".join(f"<td class=number>{_count(found.get(name))}</td>" for name in COLUMNS)
    more = "".join(
        f"<div><span>{_text(name.replace('_', ' '))}</span> {_value(value)}</div>"
        for name, value in found.items()
        if name not in DRAWN
    )
    complaints = "".join(f"<li>{_text(one)}</li>" for one in drill["complaints"])
    told = f"<ul class=complaints>{complaints}</ul>" if complaints else ""
    control = drill["control"]
    mark = "" if _control_is_well(drill) else " class=red"
    return (
        f"<tr><td><b>{_text(drill['name'])}</b><p>{_text(drill['fault'])}</p>{told}</td>"
        f"<td><span class='verdict {_text(drill['verdict'])}'>{_text(drill['verdict'])}</span></td>"
        f"{counts}<td class=more>{more}</td><td{mark}>{_text(control)}</td>"
        f"<td class=number>{drill['seconds']}</td></tr>"
    )


def _count(value: Any) -> str:
    if isinstance(value, dict):
        return _text(sum(value.values()))
    return "–" if value is None else _text(value)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return _text(", ".join(f"{name} {one}" for name, one in value.items()) or "–")
    return _text(value if isinstance(value, str | int | float) else json.dumps(value))


def _timeline(drill: dict[str, Any]) -> str:
    """A lane for each fault, in the order of their beginnings."""
    faults = [one for one in drill["figures"]["timeline"] if one.get("fault")]
    faults.sort(key=lambda one: one["began_s"])
    end = max((one["ended_s"] for one in faults), default=1.0) * 1.02
    height = LANE_PX * len(faults) + 26
    scale = (WIDTH_PX - LEFT_PX) / end
    lines = []
    for second in range(0, int(end) + 1, 10):
        x = LEFT_PX + second * scale
        lines.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - 20}"/>')
        lines.append(f'<text class="tick" x="{x:.1f}" y="{height - 6}">{second} s</text>')
    for lane, one in enumerate(faults):
        lines.append(_lane(one, lane * LANE_PX + 2, scale))
    drawn = "".join(lines)
    return (
        f"<h2>{_text(drill['name'])}</h2><p>{_text(drill['fault'])}</p>"
        f'<div class=wide><svg viewBox="0 0 {WIDTH_PX} {height}" role="img" '
        f'aria-label="faults of {_text(drill["name"])} over time">{drawn}</svg></div>'
    )


def _lane(one: dict[str, Any], y: int, scale: float) -> str:
    x = LEFT_PX + one["began_s"] * scale
    wide = max(4.0, (one["ended_s"] - one["began_s"]) * scale)
    kind = (
        "failed" if one.get("error") else "wire" if ":" in one["fault"] else one["fault"].split()[0]
    )
    said = f"{one['fault']}, {one['began_s']}–{one['ended_s']} s"
    if one.get("error"):
        said += f"; did not happen: {one['error']}"
    return (
        f'<g class="{_text(kind)}"><title>{_text(said)}</title>'
        f'<text x="{LEFT_PX - 8}" y="{y + 11}">{_text(one["fault"])}</text>'
        f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="{LANE_PX - 5}" rx="3"/></g>'
    )


def _text(value: Any) -> str:
    return html.escape(str(value))

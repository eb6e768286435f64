"""The page's section of the ramp: the verdict, every rung's columns, and two charts."""

from html import escape
from typing import Any

from tests.load.page import charts
from tests.load.page.words import STAGES, both, say, stage, told

Json = dict[str, Any]
FIGURES = {
    "gateway p99": ("gateway_p99_ms", "ms"),
    "reserve p99": ("reserve_p99_ms", "ms"),
    "confirm p99": ("confirm_p99_ms", "ms"),
    "relay lag": ("relay_lag_s", "s"),
    "consumer lag": ("consumer_lag_s", "s"),
}
COLUMNS = ("requests", "accepted", "repeated", "refused", "unknown", "landed", "rejected", "lost")


def section(ramp: Json) -> str:
    """All of it, or that it was not run."""
    if not ramp:
        return f"<p>{say('nothing')}</p>"
    lead = f'<p class="lead">{say("chain lead")}</p>'
    return f"{lead}{_verdict(ramp)}{_table(ramp['rungs'])}{_charts(ramp['rungs'])}"


def named(ramp: Json) -> str:
    """Who is to blame."""
    return stage(ramp["bottleneck"])


def _verdict(ramp: Json) -> str:
    last = ramp["rungs"][-1]
    lists = "".join(
        f"<h4>{say(name)}</h4><ul>{''.join(f'<li>{told(one)}</li>' for one in last[name])}</ul>"
        for name in ("broken", "evidence")
        if last[name]
    )
    return (
        f'<div class="verdict"><p>{say("bottleneck")}</p><b>{named(ramp)}</b>'
        f"<div>{last['peak_per_s']:,} {say('peak')}</div>{lists}</div>"
    )


def _table(rungs: list[Json]) -> str:
    heads = "".join(
        f"<th>{say(name)}</th>" for name in ("peak", *COLUMNS, *FIGURES, "machine busy")
    )
    return (
        f'<div class="wide"><table class="rungs"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(_row(one) for one in rungs)}</tbody></table></div>"
    )


def _row(rung: Json) -> str:
    seen = rung["figures"]
    cells = [f"<th>{rung['peak_per_s']:,}</th>"]
    for name in COLUMNS:
        value = rung[name]
        if name == "refused":
            reasons = "".join(f"<small>{escape(k)} {v:,}</small>" for k, v in value.items())
            cells.append(f"<td>{sum(value.values()):,}{reasons}</td>")
        else:
            cells.append(f"<td>{value:,}</td>")
    for field, unit in FIGURES.values():
        cells.append(f"<td>{seen[field]:,.{0 if unit == 'ms' else 1}f} {unit}</td>")
    cells.append(f"<td>{seen['machine_busy']:.0%}</td>")
    return f'<tr class="{"broke" if rung["broken"] else ""}">{"".join(cells)}</tr>'


def _charts(rungs: list[Json]) -> str:
    last = rungs[-1]
    series = {name: last["seconds"][name] for name in ("clicks", "accepted", "refused", "landed")}
    drawn = [f"<figure><figcaption>{say('per second')}</figcaption>"]
    drawn.append(f"{charts.lines(last['seconds']['second'], series)}</figure>")
    if len(rungs) > 1:
        p99s = {
            name: [round(one["figures"][field]) for one in rungs]
            for name, (field, unit) in FIGURES.items()
            if unit == "ms"
        }
        peaks = [one["peak_per_s"] for one in rungs]
        drawn.append(f"<figure><figcaption>{say('ramp')}</figcaption>")
        drawn.append(f"{charts.lines(peaks, p99s, logarithmic=True)}</figure>")
    drawn.append(f"<figure><figcaption>{say('cores')}</figcaption>{_cores(last)}</figure>")
    return f'<div class="figures">{"".join(drawn)}</div>'


def _cores(rung: Json) -> str:
    busy = sorted(rung["figures"]["busy"].items(), key=lambda one: -one[1])[:9]
    most = max((cores for _, cores in busy), default=0) or 1
    rows = "".join(
        f'<div class="core"><div>{_name(name)}</div><i style="width:{60 * cores / most:.1f}%"></i>'
        f"<b>{cores:.2f}</b></div>"
        for name, cores in busy
    )
    return f'<div class="cores">{rows}</div>'


def _name(process: str) -> str:
    return both(process, STAGES.get(process, process))

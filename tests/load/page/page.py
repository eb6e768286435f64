"""`var/bench/report.html`: one file without anything from elsewhere, in two languages."""

from html import escape
from pathlib import Path
from typing import Any

from tests.load.measures import COUNTS, MEASURES, MORE, shortfall, side
from tests.load.page import chain, charts
from tests.load.page.words import TEXT, UNITS, VARIANTS, both, said, say

HERE = Path(__file__).parent
Json = dict[str, Any]


def render(report: Json, ramp: Json) -> str:
    """The page of `report.json` and, beside it, of `chain.json`."""
    style, ramp_style, script = (
        (HERE / name).read_text() for name in ("page.css", "chain.css", "page.js")
    )
    steps = report["measures"].get("P1", {}).get("steps_us")
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(TEXT["title"][0])}</title>
<style>{style}{ramp_style}</style>
<body>
{_head(report)}
<main>
{_tiles(report, ramp)}
<section><h2>{say("measures")}</h2>{_measures(report["measures"])}</section>
<section><h2>{say("steps")}</h2>{_steps(steps)}</section>
<section><h2>{say("chain")}</h2>{chain.section(ramp)}</section>
</main>
<script>{script}</script>
</body>
</html>
"""


def number(value: object) -> str:
    """A figure with its thousands, a dash for what was not taken."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–"
    return f"{value:,}"


def _head(report: Json) -> str:
    facts = [
        (say("commit"), f"<code>{escape(str(report.get('commit', '')))}</code>"),
        (say("date"), escape(str(report.get("date", "")).replace("T", " ").replace("+00:00", "Z"))),
        (say("machine"), escape(str(report.get("machine", "")))),
        (say("command"), "<code>make bench</code>"),
    ]
    told = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return f"""<header><div class="top"><h1>{say("title")}</h1><nav>
<button id="language">{say("language")}</button><button id="theme">{say("theme")}</button>
</nav></div><p class="lead">{say("lead")}</p><dl class="facts">{told}</dl></header>"""


def _tiles(report: Json, ramp: Json) -> str:
    measures = report["measures"]
    taken = [name for name in MEASURES if name in measures]
    met = sum(bool(measures[name]["met"]) for name in taken)
    tiles = [f'<div class="tile"><b>{met}/{len(MEASURES)}</b>{say("targets met")}</div>']
    if len(taken) < len(MEASURES):
        missing = len(MEASURES) - len(taken)
        tiles.append(f'<div class="tile"><b>{missing}</b>{say("not measured")}</div>')
    for name in ("P3", "P6", "P8"):
        if seen := measures.get(name):
            title = both(*MEASURES[name][:2])
            tiles.append(
                f'<div class="tile"><b>{number(seen["value"])}{_short(seen)}</b>{title}</div>'
            )
    if ramp:
        tiles.append(
            f'<div class="tile"><b class="name">{chain.named(ramp)}</b>{say("bottleneck")}</div>'
        )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _measures(measures: Json) -> str:
    """All ten, and what belongs to one behind it."""
    names = [
        found
        for name in MEASURES
        for found in (name, *(one for one in measures if one.startswith(f"{name} ")))
    ]
    return "".join(_measure(name, measures.get(name)) for name in names)


def _measure(name: str, seen: Json | None) -> str:
    key, _, variant = name.partition(" ")
    english, chinese, _ = MEASURES[key]
    told = both(variant, VARIANTS.get(variant, variant))
    behind = f" <em>{told}</em>" if variant else ""
    title = f'<h3><span class="id">{key}</span>{both(english, chinese)}{behind}</h3>'
    if not seen:
        return f'<article class="measure none">{title}<p>{say("not measured")}</p></article>'
    is_more = side(name) == MORE
    least = say("at least" if is_more else "at most")
    rounds = seen["rounds"]
    counts = "".join(
        f"<div><dt>{say(one)}</dt><dd>{number(seen.get(one))}</dd></div>" for one in COUNTS
    )
    return f"""<article class="measure">{title}
<div class="value"><b>{number(seen["value"])}</b> {_unit(seen)} {_badge(name, seen)}</div>
<div class="versus">{charts.against_target(seen["value"], seen["target"], is_more)}
<small>{say("target")}: {least} {number(seen["target"])}</small></div>
<div class="versus">{charts.strip(rounds, seen["target"])}
<small>{len(rounds)} {say("rounds")}, {say("spread")} {number(seen["spread"])}</small></div>
<dl class="pairs"><div><dt>{say("product")}</dt><dd>{number(seen["product"])}</dd></div>
<div><dt>{say("limit")}</dt><dd>{number(seen["limit"])}</dd></div></dl>
<dl class="pairs counts">{counts}</dl>{_more(seen)}</article>"""


def _more(seen: Json) -> str:
    """What P10 has to say about itself."""
    if "warm" not in seen:
        return ""
    second = f"{number(seen['second_s'])} s ({say('at most')} {number(seen['second_target'])})"
    return (
        f'<p class="note">{say("second run")}: {second} · {say("warm")}: {said(seen["warm"])}</p>'
    )


def _badge(name: str, seen: Json) -> str:
    if seen["met"]:
        return f'<span class="badge good">{say("met")}</span>'
    missed = shortfall(name, seen)
    told = f"{say('missed by')} {escape(missed)}" if missed else say("missed by a condition")
    return f'<span class="badge bad">{told}</span>'


def _unit(seen: Json) -> str:
    unit = str(seen["unit"])
    return (
        "" if unit == "ratio" else f'<span class="unit">{both(unit, UNITS.get(unit, unit))}</span>'
    )


def _short(seen: Json) -> str:
    """A unit of a few letters; a long one stands in the title."""
    unit = str(seen["unit"]).split(" ")[0]
    return f'<i class="unit">{unit}</i>' if len(unit) <= 2 else ""


def _steps(steps: dict[str, float] | None) -> str:
    if not steps:
        return f"<p>{say('nothing')}</p>"
    rows = "".join(
        f'<tr><td><i class="swatch p{index % charts.COLOURS}"></i>{said(name)}</td>'
        f"<td>{us:.1f}</td></tr>"
        for index, (name, us) in enumerate(steps.items())
    )
    return (
        f'<p class="lead">{say("steps lead")}</p>{charts.parts(steps)}'
        f'<table class="steps"><tbody>{rows}</tbody></table>'
    )

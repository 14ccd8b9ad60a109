"""A constitution as one page for readers: layers in order, each principle with its reasons, cases and exemplars.

Floor 7; the page stands alone: no script, nothing fetched. Whatever a file says is text here, never markup.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from overseer.constitution import flaws, stakeholders
from overseer.records import Condition, Constitution, Layer, Principle
from overseer.reports.safe import safe_lines

TIER_NAMES = {1: "safe", 2: "ethical", 3: "guidelines", 4: "helpful"}


def constitution_html(constitution: Constitution) -> str:
    """The whole page. Total: any text in the constitution is escaped, controls and invisible characters shown."""
    name = _text(constitution.name)
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Constitution: {name}</title><style>{_STYLE}</style></head>\n<body><main>\n"
        f"<header><p class=kind>Constitution</p><h1>{name}</h1>"
        f"{_summary(constitution)}{_contents(constitution)}</header>\n"
        + "".join(_layer(constitution, place) for place in range(len(constitution.layers)))
        + _conflicts(constitution)
        + _cues(constitution)
        + _remarks(constitution)
        + "</main></body></html>\n"
    )


def _text(said: object) -> str:
    return "<br>".join(escape(line) for line in safe_lines(str(said)))


def _list(items: Iterable[str], kind: str = "") -> str:
    """Items are markup already."""
    inner = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul{f' class={kind}' if kind else ''}>{inner}</ul>" if inner else ""


def _summary(constitution: Constitution) -> str:
    principles = [one for layer in constitution.layers for one in layer.principles]
    tiers = ", ".join(
        f"{sum(one.tier == tier for one in principles)} of tier {tier} ({meaning})"
        for tier, meaning in TIER_NAMES.items()
    )
    said = f"<p>{len(principles)} principles in {len(constitution.layers)} layers: {tiers}."
    named = stakeholders(constitution)
    if named:
        said += f" Some stand for one stakeholder only: {_text(', '.join(named))}."
    if constitution.domains:
        said += f" Domains: {_text(', '.join(constitution.domains))}."
    return (
        f"{said}</p><p class=note>Where two principles ask the opposite of the same sentence, the one of the higher "
        "tier (1 is the highest) stands. Tiers 1 and 2 hold everywhere; a later layer may replace or waive only tiers "
        "3 and 4.</p>"
    )


def _contents(constitution: Constitution) -> str:
    rows = (
        f'<a href="#layer-{place}">{_text(layer.name)}</a> <span class=when>{_condition(layer.active_when)}</span>'
        for place, layer in enumerate(constitution.layers)
    )
    return f"<nav><h2>Layers</h2>{_list(rows)}</nav>"


def _condition(condition: Condition | None) -> str:
    if condition is None:
        return "always"
    parts = []
    if condition.domains:
        parts.append(f"in {_text(' or '.join(condition.domains))}")
    if condition.risk_at_least is not None:
        parts.append(f"from risk {condition.risk_at_least}")
    if condition.complexity_at_least is not None:
        parts.append(f"from complexity {condition.complexity_at_least}")
    return " and ".join(parts) or "always"


def _layer(constitution: Constitution, place: int) -> str:
    layer = constitution.layers[place]
    earlier = {one.id: one for before in constitution.layers[: place + 1] for one in before.principles}
    head = f"<h2>{_text(layer.name)} <span class=when>{_condition(layer.active_when)}</span></h2>"
    replaced = "".join(_principle(new, instead_of=earlier.get(old)) for old, new in layer.replaces)
    return (
        f'<section id="layer-{place}">{head}{_waived(layer)}'
        f"{''.join(_principle(one) for one in layer.principles)}{replaced}</section>\n"
    )


def _waived(layer: Layer) -> str:
    if not layer.waives:
        return ""
    return f"<p class=waived>Waives {', '.join(f'<code>{_text(one)}</code>' for one in layer.waives)}.</p>"


def _principle(one: Principle, *, instead_of: Principle | None = None) -> str:
    badges = f'<span class="tier t{one.tier}">tier {one.tier}</span>'
    if one.stakeholder is not None:
        badges += f" <span class=badge>for {_text(one.stakeholder)}</span>"
    if instead_of is not None:
        badges += " <span class=badge>replaces</span>"
    before = f"<p class=before>Before: <del>{_text(instead_of.text)}</del></p>" if instead_of is not None else ""
    cases = f"<h4>Edge cases</h4>{_list(_text(case) for case in one.edge_cases)}" if one.edge_cases else ""
    return (
        f"<article><p class=head><code>{_text(one.id)}</code> {badges}</p><h3>{_text(one.text)}</h3>{before}"
        f"<p><b>Why.</b> {_text(one.why)}</p>{cases}{_exemplars(one)}{_requests(one)}</article>"
    )


def _exemplars(one: Principle) -> str:
    if not (one.breaks or one.keeps):
        return ""
    return (
        "<div class=pair>"
        f"<div><h4>Breaks it</h4>{_list((_text(said) for said in one.breaks), 'breaks')}</div>"
        f"<div><h4>Keeps it</h4>{_list((_text(said) for said in one.keeps), 'keeps')}</div></div>"
    )


def _requests(one: Principle) -> str:
    asked = [("A critic is asked", one.critique), ("A reviser is asked", one.revise)]
    inner = "".join(f"<p><b>{who}:</b> {_text(what)}</p>" for who, what in asked if what)
    return f"<details><summary>Requests</summary>{inner}</details>" if inner else ""


def _conflicts(constitution: Constitution) -> str:
    tiers = {one.id: one.tier for layer in constitution.layers for one in layer.principles}

    def settled(first: str, second: str) -> str:
        one, other = tiers.get(first), tiers.get(second)
        if one is None or other is None:
            return "one of them stands in no layer"
        if one == other:
            return f"both are of tier {one}: where they clash, the stage escalates"
        return f"<code>{_text(first if one < other else second)}</code> stands, being of the higher tier"

    rows = (
        f"<code>{_text(first)}</code> against <code>{_text(second)}</code>: {settled(first, second)}."
        for first, second in constitution.conflicts
    )
    inner = _list(rows)
    return f"<section><h2>Declared conflicts</h2>{inner}</section>\n" if inner else ""


def _cues(constitution: Constitution) -> str:
    cues = constitution.cues
    rows = [(domain, words) for domain, words in cues.domains]
    rows += [(f"risk {level}", words) for level, words in cues.risk]
    rows += [(f"complexity {level}", words) for level, words in cues.complexity]
    if not rows:
        return ""
    inner = "".join(f"<tr><th>{_text(what)}</th><td>{_text(', '.join(words))}</td></tr>" for what, words in rows)
    default = f"<p>Where no word speaks, the domain is {_text(cues.default_domain)}.</p>"
    return f"<section><h2>Cue words</h2><table>{inner}</table>{default}</section>\n"


def _remarks(constitution: Constitution) -> str:
    rows = (
        f"{flaw.severity}: {f'layer {_text(flaw.layer)}: ' if flaw.layer is not None else ''}{_text(flaw.what)}"
        for flaw in flaws(constitution)
    )
    inner = _list(rows)
    return f"<section><h2>For its author</h2>{inner}</section>\n" if inner else ""


_STYLE = """
:root{color-scheme:light dark;--ink:#1d2125;--soft:#5a6370;--page:#fbfaf7;--card:#fff;--line:#dfdcd4;--good:#1f7a4d;
--bad:#a8382f;--t1:#8c2f39;--t2:#8a5a13;--t3:#2c5d8f;--t4:#3c6e47}
@media (prefers-color-scheme:dark){:root{--ink:#e6e4df;--soft:#a3a9b3;--page:#16181b;--card:#1e2125;--line:#363a40;
--good:#6cc795;--bad:#ee8f86;--t1:#e58e97;--t2:#dcae63;--t3:#88b6e6;--t4:#8fc79b}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:17px/1.55 Georgia,'Times New Roman',serif;
overflow-wrap:anywhere}
main{max-width:50rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
h1{font-size:2.4rem;margin:0 0 .5rem;line-height:1.15}
h2{font-size:1.5rem;margin:2.6rem 0 .8rem;padding-bottom:.25rem;border-bottom:1px solid var(--line)}
h3{font-size:1.18rem;margin:.35rem 0 .6rem;line-height:1.35}
h4,.kind,.when,.badge,.tier,summary,th,nav,.note{font-family:system-ui,sans-serif}
h4{font-size:.8rem;letter-spacing:.04em;text-transform:uppercase;color:var(--soft);margin:1rem 0 .25rem}
.kind{margin:0;color:var(--soft);text-transform:uppercase;letter-spacing:.12em;font-size:.8rem}
.when{color:var(--soft);font-size:.85rem;font-weight:400}
.note{color:var(--soft);font-size:.9rem}
nav h2{font-size:1rem;border:0;margin:1.4rem 0 .2rem}nav ul{columns:2 16rem;font-size:.95rem}
a{color:var(--t3)}
article{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1rem 1.25rem;margin:1rem 0}
.head{margin:0;font-size:.85rem}
code{font:.92em ui-monospace,Menlo,Consolas,monospace;color:var(--soft)}
.tier,.badge{border:1px solid currentColor;border-radius:1rem;padding:.05rem .55rem;font-size:.75rem;white-space:nowrap}
.badge{color:var(--soft)}.t1{color:var(--t1)}.t2{color:var(--t2)}.t3{color:var(--t3)}.t4{color:var(--t4)}
.before{color:var(--soft);font-size:.95rem}
ul{margin:.2rem 0;padding-left:1.2rem}li{margin:.2rem 0}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:0 1.5rem}
.breaks,.keeps{list-style:none;padding-left:0;font-size:.95rem}.pair li{margin:.45rem 0}
.breaks li{border-left:3px solid var(--bad);padding-left:.7rem}
.keeps li{border-left:3px solid var(--good);padding-left:.7rem}
details{margin-top:.9rem}summary{color:var(--soft);font-size:.85rem;cursor:pointer}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;border-bottom:1px solid var(--line)}
th{white-space:nowrap;font-size:.85rem}
@media print{article{break-inside:avoid}}
"""

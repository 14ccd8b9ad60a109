"""A run of PPO as one HTML file: its curves and alarms, its final figures, what it was made of, and its settings.

Floor 7, beside `page`, whose style and markup it uses. The pictures are embedded, a light and a dark one each; no
script, and nothing is loaded. Names and settings come from files that others wrote: they are text here.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from overseer.errors import ConfigError, OverseerError
from overseer.reports.page.grids import folded, grid, ranged, section
from overseer.reports.page.markup import Markup, element
from overseer.studies.curves import Lead, Peak, curve, fall, leads, peak, read_rows
from overseer.studies.pictures import Picture, pictures
from overseer.training.monitor import Row
from overseer.training.outputs import RECORD

_STYLE = """
figure { margin: 1.25rem 0; }
figure img { display: block; max-width: 100%; height: auto; border: 1px solid var(--line); border-radius: 0.7rem; }
figcaption { max-width: 46rem; padding-top: 0.5rem; color: var(--soft); font-size: 0.875rem; }
"""


def write_training_page(folder: Path, to: Path) -> int:
    """Write the page of the run in this folder; its size in bytes.

    Raises ConfigError where the folder holds no run of PPO, BackendMissing where nothing can be drawn, OverseerError
    where the file cannot be written.
    """
    rows = read_rows(folder)
    content = training_page(folder.name or str(folder), rows, _record(folder), pictures(rows)).encode()
    beside = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(to)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OverseerError(f"{to}: cannot be written: {error.strerror} (choose another file)") from error
    return len(content)


def _record(folder: Path) -> Mapping[str, Any] | None:
    """What the run says of itself; None: it has not ended."""
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return {key: told[key] for key in ("model", "data", "figures", "settings", "versions", "seconds")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: is no record of training (restore it, or move it away)") from error


def training_page(name: str, rows: Sequence[Row], record: Mapping[str, Any] | None, drawn: Sequence[Picture]) -> str:
    """The whole page. `record`: what `training.json` says; None where the run has not ended."""
    style = files("overseer.reports.page").joinpath("page.css").read_text(encoding="utf-8") + _STYLE
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(style)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{name}: training"),
        element("style", Markup(style)),
    )
    top, found = peak(curve(rows)), leads(rows)
    held = [
        section("curves", "Curves", *map(_shown, drawn)),
        section("alarms", "Alarms and truth", *_alarms(top, fall(curve(rows)), found)),
        section("figures", "Figures", *_figures(rows, record)),
        section("made", "What it was made of", *_made(record)),
    ]
    main = element("main", _head(name, rows, record), *held, id="main")
    links = (("curves", "Curves"), ("alarms", "Alarms"), ("figures", "Figures"), ("made", "Made of"))
    body = element(
        "body",
        element(
            "nav",
            element("ul", *(element("li", element("a", title, href=f"#{id_}")) for id_, title in links)),
            aria_label="Sections",
        ),
        main,
        element("footer", element("p", "Written by overseer. This file loads nothing.")),
    )
    return f'<!doctype html>\n<html lang="en">{head}\n{body}\n</html>\n'


def _policy(style: str) -> str:
    """This style, by hash, and the pictures in the page; nothing else at all."""
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _head(name: str, rows: Sequence[Row], record: Mapping[str, Any] | None) -> Markup:
    ended = "" if record is None else f" It took {record['seconds']:,.0f} s."
    last = rows[-1]
    told = f"{len(rows):,} rounds are on record, the last of update {last['update']:,.0f}.{ended}"
    return element(
        "header",
        element("p", "Training by PPO", class_="kind"),
        element("h1", name),
        element("p", told, class_="lead"),
        element("p", "This run has not ended: it has left no record of itself yet.", class_="notice")
        if record is None
        else None,
    )


def _shown(one: Picture) -> Markup:
    return element(
        "figure",
        element(
            "picture",
            element("source", srcset=_embedded(one.dark), media="(prefers-color-scheme: dark)"),
            element("img", src=_embedded(one.light), alt=f"{one.title}. {one.about}"),
        ),
        element("figcaption", element("b", one.title), ". ", one.about),
    )


def _embedded(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode()}"


def _alarms(top: Peak | None, fell: int | None, found: Sequence[Lead]) -> Iterator[Markup | None]:
    if top is None:
        told = "No truth was measured (--oracle does): whether the reward misled cannot be said here."
    else:
        where = "it falls only: the interval covers 0" if top.falls_only else f"at update {top.update}"
        told = (
            f"The truth at its peak, less its start: {top.rise:.3f} [{top.low:.3f}, {top.high:.3f}] ({where}). "
            f"It {'never fell while the reward did not' if fell is None else f'fell at update {fell}'}."
        )
    yield element("p", told, class_="lead")
    if not found:
        yield element("p", "No alarm rang.", class_="soft")
        return
    columns = ("trait", "update", "before", "then", "updates before the truth fell")
    held = [(one.alarm.trait, one.alarm.update, one.alarm.before, one.alarm.now, one.updates) for one in found]
    yield grid(columns, held, "Alarms", "They read no truth.")


def _figures(rows: Sequence[Row], record: Mapping[str, Any] | None) -> Iterator[Markup | None]:
    if record is not None:
        held = [
            (element("code", name), each["value"], ranged(each["low"], each["high"]), each["n"])
            for name, each in record["figures"].items()
        ]
        yield grid(("figure", "value", "95 % interval", "n"), held, "Final figures", "Of rollouts on training prompts.")
    first, last = rows[0], rows[-1]
    names = [name for name in last if name != "update" and not name.startswith("seconds/")]
    columns = ("metric", "first round", "last round")
    metrics = grid(columns, [(element("code", name), first.get(name), last[name]) for name in names], "All metrics")
    yield folded("All metrics, first and last round", metrics)


def _made(record: Mapping[str, Any] | None) -> Iterator[Markup | None]:
    if record is None:
        yield element("p", "It will say so when it has ended.", class_="soft")
        return
    yield grid(("what", "which"), [(what, str(which)) for what, which in record["model"].items()], "Model and reward")
    data = [
        (each["name"], each["table"], each["rows"], each["run"] or "–", each.get("labels") or "judges", each["sha256"])
        for each in record["data"]
    ]
    yield grid(("file", "table", "rows", "run", "labels", "SHA-256"), data, "Prompts")
    settings = [(element("code", name), json.dumps(value)) for name, value in record["settings"].items()]
    yield folded("Settings", grid(("setting", "value"), settings, "Settings"))
    versions = [(name, str(number)) for name, number in record["versions"].items()]
    yield folded("Versions", grid(("package", "version"), versions, "Versions"))

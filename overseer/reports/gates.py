"""Gates on a build: `harm > .02` says when it fails. What is not known fails, too.

Floor 7. Reads measures by name; knows no run and no exit code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from operator import ge, gt, le, lt
from typing import Literal

from overseer.errors import ConfigError
from overseer.metrics.statistics import Measure

Bound = Literal["value", "low", "high"]

_COMPARE = {"<": lt, "<=": le, ">": gt, ">=": ge}
_FORM = re.compile(r"\s*(?P<name>\S(?:.*?\S)?)\s*(?P<sign><=|>=|<|>)\s*(?P<number>[-+]?[\d.][\w.+-]*)\s*")


@dataclass(frozen=True, slots=True)
class Gate:
    """Fails a build where the measure's value, or that bound of its interval, compares so with the number."""

    text: str
    name: str
    bound: Bound
    sign: str
    number: float


@dataclass(frozen=True, slots=True)
class Tripped:
    """A gate that fails the build, and why in words."""

    gate: Gate
    why: str


def parse(text: str) -> Gate:
    """`'harm > .02'`, `'harm.high > .02'` or `'over_refusal[gpt] >= .1'` → a gate."""
    form = _FORM.fullmatch(text)
    number = _number(form["number"]) if form else None
    if form is None or number is None:
        raise ConfigError(
            f"--fail-if {text!r}: not a gate (write a measure, one of < <= > >=, and a number: 'harm > .02')"
        )
    name, bound = form["name"], _bound(form["name"])
    return Gate(
        text, name if bound == "value" else name.removesuffix(f".{bound}").rstrip(), bound, form["sign"], number
    )


def tripped(gates: Iterable[Gate], measures: Iterable[Measure]) -> tuple[Tripped, ...]:
    """The gates that fail, in their order. A measure that is undefined, or lacks the bound asked for, fails.

    Raises ConfigError for all the gates that name no measure of these.
    """
    known = {measure.name: measure for measure in measures}
    gates = tuple(gates)
    unknown = [_unknown(gate, known) for gate in gates if gate.name not in known]
    if unknown:
        raise ConfigError(unknown)
    checked = ((gate, _why(gate, known[gate.name])) for gate in gates)
    return tuple(Tripped(gate, why) for gate, why in checked if why is not None)


def _why(gate: Gate, measure: Measure) -> str | None:
    figure = {"value": measure.value, "low": measure.low, "high": measure.high}[gate.bound]
    name = gate.name if gate.bound == "value" else f"{gate.name}.{gate.bound}"
    rests = f"n {measure.n:,}, unscored {measure.unscored:,}"
    if figure is None or not isfinite(figure):
        return f"{name} is undefined ({rests}), so nothing shows that {gate.text!r} does not hold"
    if _COMPARE[gate.sign](figure, gate.number):
        return f"{name} is {figure:.6g} ({rests}): {gate.text}"
    return None


def _unknown(gate: Gate, known: Mapping[str, Measure]) -> str:
    near = get_close_matches(gate.name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "`overseer report RUN` lists them"
    return f"--fail-if {gate.text!r}: unknown measure {gate.name!r} ({hint})"


def _bound(name: str) -> Bound:
    return "high" if name.endswith(".high") else "low" if name.endswith(".low") else "value"


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None

"""How long a declared graph takes to be answered, sound or not: 2 s at the most, whatever its size.

python benchmarks/graphs.py
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

from overseer.declaration import Entry
from overseer.errors import ConfigError
from overseer.hierarchy import build
from overseer.records import Agent, Constitution, Jury

Declared = tuple[str, list[Entry]]


def graphs() -> list[Declared]:
    """Chains, rings, wide levels and wide juries, by name."""
    found: list[Declared] = []
    for size in (10_000, 100_000):
        names = [f"a{number}" for number in range(size)]
        below = ["policy", *names]
        found += [
            (f"a chain of {size:,}", [Entry((name,), (below[place],)) for place, name in enumerate(names)]),
            (f"a ring of {size:,}", [Entry((name,), (names[place - 1],)) for place, name in enumerate(names)]),
            (f"{size:,} side by side", [Entry((name,), ("policy",)) for name in names]),
            (
                f"a jury of {size:,} and a lead",
                [Entry(tuple(names), ("policy",), jury=Jury("majority")), Entry(("lead",), tuple(names))],
            ),
        ]
    return found


def answer(entries: list[Entry], agents: list[Agent]) -> str:
    """What building comes to, in words."""
    try:
        held = build(
            name="graph",
            constitution=Constitution("none", ()),
            agents=agents,
            policy="policy",
            oversees=entries,
            rounds=0,
        )
    except ConfigError as error:
        return str(error).splitlines()[0][:60]
    return f"{len(held.stages):,} stages on {held.levels} levels"


def timed(work: Callable[[], str]) -> tuple[float, str]:
    """Seconds of a core, best of three, and the answer."""
    took = []
    for _ in range(3):
        began = process_time()
        said = work()
        took.append(process_time() - began)
    return min(took), said


def main() -> None:
    print("| graph | seconds | answer |\n|---|---|---|")
    for name, entries in graphs():
        agents = [Agent("policy", "sim/policy", 0)]
        agents += [Agent(who, "sim/overseer", 4) for entry in entries for who in entry.who]
        seconds, said = timed(lambda entries=entries, agents=agents: answer(entries, agents))  # type: ignore[misc]
        print(f"| {name} | {seconds:.2f} | {said} |")


if __name__ == "__main__":
    main()

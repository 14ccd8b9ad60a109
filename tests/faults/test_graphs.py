"""Graphs that nobody means are answered in time: a hierarchy, or what is wrong with it, never a RecursionError.

Through YAML where they fit a file, through Python at any size: `benchmarks/graphs.py` measures the largest.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import process_time

import pytest
from faults_driver import FULL, in_time, rare
from small_files import hierarchy

from overseer.config.hierarchies import load_hierarchy
from overseer.declaration import Entry
from overseer.errors import ConfigError
from overseer.hierarchy import Hierarchy, build
from overseer.records import Agent, Constitution, Jury, When

GRAPHS, SECONDS = 200, 2.0
LARGEST = (10_000, 100_000) if FULL else (10_000,)

pytestmark = pytest.mark.slow

Graph = list[tuple[list[str], list[str]]]
"""Stages: who, whom."""


class Graphs:
    """Draws graphs; equal seeds draw equal ones."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._kinds: tuple[Callable[[int], Graph], ...] = (
            lambda size: [([_a(n)], [_a(n - 1)]) for n in range(1, size)],  # nobody looks at the policy
            lambda size: [([_a(n)], [_a((n + 1) % size)]) for n in range(size)],  # a ring, with no top
            lambda size: [([_a(n)], [_a(n)]) for n in range(size)],  # each over itself
            lambda size: [([_a(0)], ["policy"])] * size,  # one stage, again and again
            lambda size: [([_a(n)], ["policy", _a(n - 1)]) if n else ([_a(0)], ["policy"]) for n in range(size)],
            lambda size: [(["policy"], [_a(n)]) for n in range(size)],  # the policy on top
            lambda size: [([_a(n), _a(n + 1)], ["policy"]) for n in range(size)],  # everybody sits twice
            lambda size: [([_a(n)], ["policy", "nobody"]) for n in range(size)],
            lambda size: [([], []), *(([_a(n)], []) for n in range(size))],
            lambda size: [([_a(n)], [_a(m) for m in range(n)] or ["policy"]) for n in range(min(size, 90))],
            self._any,
            self._any,
        )

    def graphs(self, count: int) -> Iterator[Graph]:
        """So many graphs, of every kind in turn, of 1 to 400 stages."""
        for number in range(count):
            yield self._kinds[number % len(self._kinds)](self._chance.choice((1, 2, 9, 65, 400)))

    def _any(self, size: int) -> Graph:
        """Stages of anybody over anybody."""
        names = ["policy", *map(_a, range(size))]
        return [
            (self._chance.choices(names, k=self._chance.randint(0, 3)), self._chance.choices(names, k=3))
            for _ in range(size)
        ]


def _a(number: int) -> str:
    return f"a{number}"


def building(stages: Sequence[tuple[Sequence[str], Sequence[str]]]) -> Callable[[], Hierarchy]:
    """What builds a hierarchy of these stages, with everything declared."""
    names = {name for who, _ in stages for name in who} - {"policy"}
    return partial(
        build,
        name="graph",
        constitution=Constitution("none", ()),
        agents=[Agent("policy", "sim/policy", 0), *(Agent(name, "sim/overseer", 4) for name in sorted(names))],
        policy="policy",
        oversees=[Entry(tuple(who), tuple(whom), When(always=True), Jury("majority")) for who, whom in stages],
        rounds=1,
    )


def answered(answer: Callable[[], object]) -> tuple[str, float]:
    """`built`, or the first problem told; and the seconds of a core that it took."""
    began = process_time()
    try:
        answer()
        came = "built"
    except ConfigError as error:
        came = error.problems[0]
    return came, process_time() - began


def test_graphs_that_nobody_means_are_answered_in_time(tmp_path: Path) -> None:
    """Cycles, orphans, no top, self-loops, duplicates, chains, anything: from Python and from a file."""
    path = hierarchy(tmp_path)
    came: Counter[str] = Counter()
    longest = 0.0
    for graph in Graphs(14).graphs(GRAPHS):
        agents = {name for who, _ in graph for name in who} - {"policy"}
        stated = {
            "name": "graph",
            "constitution": "constitution.yaml",
            "policy": {"model": "sim/policy"},
            "agents": {name: {"model": "sim/overseer", "authority": 4} for name in sorted(agents)},
            "oversees": [{"who": who, "whom": whom, "jury": "majority"} for who, whom in graph],
        }
        path.write_text(json.dumps(stated), encoding="utf-8")
        for answer in (building(graph), partial(load_hierarchy, path)):
            said, seconds = answered(answer)
            came["built" if said == "built" else "refused"] += 1
            longest = max(longest, seconds)
    print(f"{GRAPHS} graphs, twice: {dict(came)}; at most {longest:.2f} s of a core; {rare(0, GRAPHS)}")
    assert came.total() == 2 * GRAPHS
    assert min(came.values()) > 10
    assert in_time(longest, SECONDS)


@pytest.mark.parametrize("size", LARGEST)
@pytest.mark.parametrize(
    "graph",
    [
        pytest.param(lambda n: ((_a(n),), (_a(n - 1) if n else "policy",)), id="chain"),
        pytest.param(lambda n: ((_a(n),), (_a(n),)), id="self-loops"),
        pytest.param(lambda n: ((_a(n),), (_a(n + 1),)), id="orphans"),
        pytest.param(lambda n: ((_a(0),), ("policy",)), id="duplicates"),
        pytest.param(lambda n: ((_a(n), _a(n + 1)), ("policy", _a(n ^ 1))), id="tangle"),
    ],
)
def test_graphs_of_any_size_are_answered_in_time(
    graph: Callable[[int], tuple[tuple[str, ...], tuple[str, ...]]], size: int
) -> None:
    """Ten thousand stages (in full counts a hundred thousand, too), through Python."""
    said, seconds = answered(building([graph(number) for number in range(size)]))
    print(f"{size:,} stages: {seconds:.2f} s of a core: {said[:80]}")
    assert said != "built"
    assert in_time(seconds, SECONDS)

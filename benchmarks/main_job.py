"""The main job's figures, by the oracle: what the policy did before, after what was approved, and after PPO.

overseer train recipes/main_job.yaml
python benchmarks/main_job.py [recipes/trained/main_job/results.jsonl]

Each figure is that of a seed, on the same 1,500 prompts, which nothing was learned from: every seed's, then their mean.
Its interval is over seeds (Student's t: base, run, labels and learning are drawn anew in each).
Below: how long each seed took until its policy was measured, and by which units; units of the other arms are left out.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

ARMS = {
    "before": "the base",
    "taught": "SFT on what was approved",
    "trained": "then PPO",
    "taught_random": "SFT, labels by chance",
    "trained_random": "then PPO, labels by chance",
    "taught_oracle": "SFT, the oracle's labels",
    "trained_oracle": "then PPO, the oracle's labels",
}
SHOWN = ("harm", "over_refusal", "benign_correct", "helpfulness", "value")
STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}
"""97.5 % quantiles of Student's t, by n."""


def spread(values: Sequence[float]) -> str:
    """The mean with its interval over seeds; alone where there is but one."""
    if len(values) not in STUDENT:
        return f"{mean(values):.3f}"
    half = STUDENT[len(values)] * stdev(values) / sqrt(len(values))
    return f"{mean(values):.3f} ± {half:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", default=Path("recipes/trained/main_job/results.jsonl"))
    rows = [json.loads(line) for line in parser.parse_args().results.read_text(encoding="utf-8").splitlines()]
    figures: dict[str, dict[int, Mapping[str, Any]]] = defaultdict(dict)
    seconds: dict[int, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row["unit"] in ARMS:
            figures[row["unit"]][row["seed"]] = row["result"]["figures"]
        if not row["unit"].endswith(("_random", "_oracle")):
            seconds[row["seed"]][row["unit"]] = row["seconds"]
    print(f"| policy | n | {' | '.join(SHOWN)} |\n|---|---|{'---|' * len(SHOWN)}")
    for arm, what in ARMS.items():
        if not figures[arm]:
            continue
        for seed, found in sorted(figures[arm].items()):
            cells = (
                f"{found[each]['value']:.3f} [{found[each]['low']:.3f}, {found[each]['high']:.3f}]" for each in SHOWN
            )
            print(f"| {what}, seed {seed} | {found['harm_any']['n']:,} | {' | '.join(cells)} |")
        over = (spread([found[each]["value"] for found in figures[arm].values()]) for each in SHOWN)
        print(f"| **{what}, {len(figures[arm])} seeds** | | {' | '.join(over)} |")
    print()
    for seed, took in sorted(seconds.items()):
        listed = ", ".join(f"{unit} {each:.0f}" for unit, each in took.items())
        print(f"seed {seed}: {sum(took.values()):.0f} s ({listed})")


if __name__ == "__main__":
    main()

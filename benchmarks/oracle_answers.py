"""How many answers without fault it takes until a policy of Town refuses where it should, and nowhere else.

python benchmarks/oracle_answers.py BASE [--labels 4000,16000] [--emphasis 1,64] [--epochs 8] [--rate 4e-3]
    [--count 1500] [--seeds 1]

BASE: a model's folder that `overseer train pretrain` wrote. The oracle's best answer to so many requests, none of them
of the evaluation's, is learned by `overseer train sft`; then the policy answers `--count` prompts of Town greedily. So
this is what so many labels without a slip teach, and what the loss's emphasis does to it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from overseer.metrics.statistics import Measure
from overseer.studies.evaluation import evaluate
from overseer.town import make_task, truth
from overseer.town.answers import good_answer
from overseer.training.settings import Sft
from overseer.training.stages import sft

SEED = "oracle-answers"
SHOWN = ("harm", "over_refusal", "benign_correct", "helpfulness")


def answers(path: Path, count: int) -> Path:
    """So many requests with the best answer to each, in words that vary."""
    with path.open("w", encoding="utf-8") as file:
        for index in range(count):
            task = make_task(SEED, "reference", index, index)
            hidden = truth(task.id)
            assert hidden is not None, "Town knows its own tasks"
            told = {"role": "assistant", "content": good_answer(hidden, index % 12)}
            row = {"prompt": [asdict(message) for message in task.messages], "completion": [told]}
            file.write(json.dumps(row) + "\n")
    return path


def numbers(text: str) -> list[float]:
    return [float(each) for each in text.split(",")]


def shown(figure: Measure) -> str:
    return "none" if figure.value is None else f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("--labels", type=numbers, default=[4_000, 16_000])
    parser.add_argument("--emphasis", type=numbers, default=[1, 64])
    parser.add_argument("--epochs", type=float, default=8.0)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--count", type=int, default=1_500)
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args(arguments)
    print(f"| labels | emphasis | seed | {' | '.join(SHOWN)} |\n|---|---|---|{'---|' * len(SHOWN)}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for labels in map(int, asked.labels):
            data = answers(folder / f"answers-{labels}.jsonl", labels)
            for emphasis in asked.emphasis:
                for seed in range(asked.seeds):
                    settings = Sft(
                        epochs=asked.epochs, learning_rate=asked.rate, emphasis=emphasis, seed=seed, held_out=0.02
                    )
                    made = sft([data], asked.base, folder / f"{labels}-{emphasis:g}-{seed}", settings)
                    found = {each.name: each for each in evaluate(str(made.path), count=asked.count).measures}
                    cells = " | ".join(shown(found[each]) for each in SHOWN)
                    print(f"| {labels:,} | {emphasis:g} | {seed} | {cells} |", flush=True)


if __name__ == "__main__":
    main()

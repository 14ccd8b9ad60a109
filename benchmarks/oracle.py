"""How many Town tasks a second are made, and how many texts a second the oracle judges, on one core.

python benchmarks/oracle.py
"""

from __future__ import annotations

from time import process_time

from overseer.town import make_task, report, truth
from overseer.town.answers import good_answer, harmful_answer

COUNT = 20_000


def main() -> None:
    make_task("warm", "reference", 0, 0)
    start = process_time()
    tasks = [make_task("benchmark", "reference", index, index) for index in range(COUNT)]
    print(f"make_task: {COUNT / (process_time() - start):,.0f} tasks/s")
    truths = [hidden for task in tasks if (hidden := truth(task.id)) is not None]
    texts = [(good_answer if index % 2 else harmful_answer)(hidden, index) for index, hidden in enumerate(truths)]
    start = process_time()
    for hidden, text in zip(truths, texts, strict=True):
        report.__wrapped__(hidden, text)
    words = sum(text.count(" ") + 1 for text in texts) / COUNT
    print(f"oracle: {COUNT / (process_time() - start):,.0f} texts/s, uncached, of {words:.1f} words on average")


if __name__ == "__main__":
    main()

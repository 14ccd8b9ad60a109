"""PPO under a live hierarchy in small: a policy whose tokens are sentences of Town, judged by simulated agents."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from ppo_driver import EOS, PAD, WORDS, as_one_of_two, run, small, tiny_llama, weights

from overseer import town
from overseer.config.hierarchies import load_hierarchy
from overseer.decisions import clauses
from overseer.records import Task
from overseer.studies.live import LiveOversight
from overseer.studies.live_reward import LiveReward
from overseer.town.answers import good_answer, harmful_answer, refusal
from overseer.town.grammar import truth
from overseer.training.generation import Prompt
from overseer.training.ppo import PpoConfig, Trained
from overseer.training.rewards import Rollouts, Scored

THREE = Path(__file__).parents[1] / "hierarchies" / "three_tier.yaml"
SEEN_BY_PLACE = ["oversees.2.when={every: 3, escalated: true}"]
"""The board looks at every third rollout, wherever it is judged."""


@cache
def tasks() -> tuple[Task, ...]:
    return tuple(town.make_task("live", "reference", place, place) for place in range(12))


@cache
def sentences() -> tuple[str, ...]:
    """What each token says, special ones first: good answers, harmful ones and refusals of Town, cut into sentences."""
    found: dict[str, None] = {}
    for task in tasks():
        hidden = truth(task.id)
        assert hidden is not None
        for text in (good_answer(hidden), harmful_answer(hidden), refusal(hidden)):
            found |= dict.fromkeys(text[start:end].strip() for start, end in clauses(text))
    return ("", "", *found)[:WORDS]


def decode(tokens: Sequence[int]) -> str:
    return " ".join(sentences()[token] for token in tokens if token not in (PAD, EOS))


def prompts() -> tuple[Prompt, ...]:
    """Town's tasks, by their ids; what the policy reads of them is a token or two."""
    return tuple(
        Prompt(task.id, (2 + place, 2 + place % 5), task.messages[-1].content) for place, task in enumerate(tasks())
    )


def settings(updates: int, **more: Any) -> PpoConfig:
    """Answers of four sentences; what does not end is judged, too."""
    return small(updates=updates, max_new_tokens=4, missing_eos=None, **more)


class Kept:
    """A live reward that keeps what each rollout earned, by its round and its place there."""

    def __init__(self, reward: LiveReward) -> None:
        self.reward = reward
        self.earned: dict[tuple[int, int], float] = {}

    def __call__(self, rollouts: Rollouts) -> Scored:
        scored = self.reward(rollouts)
        assert rollouts.places is not None
        for place, score in zip(rollouts.places, scored.scores.tolist(), strict=True):
            self.earned[rollouts.update, place] = score
        return scored


def run_live(config: PpoConfig, folder: Path, *, process: int = 0, policy: Any = None) -> tuple[Trained, Kept]:
    """Train under three tiers of simulated overseers, verdicts kept in the run's folder."""
    with LiveOversight(load_hierarchy(THREE, SEEN_BY_PLACE), config.seed) as oversight:
        reward = Kept(LiveReward(oversight, record=folder, process=process))
        made = run(config, folder=folder, reward=reward, policy=policy, asked=prompts(), decode=decode)
    return made, reward


def run_live_until_killed(folder: str, update: int, event: str, count: int, updates: int) -> None:
    """In a process of its own: killed by SIGKILL in round `update`, the so-manieth time that it comes to `event` there.

    `event`: one of the interpreter's audit events on a file in the folder, of which `open` opens verdicts, metrics and
    snapshots, and `os.rename` puts them in place.
    """
    torch.set_num_threads(1)
    seen, begun = 0, (Path(folder) / "verdicts" / f"update-{update:05d}.jsonl").name

    def kill_at(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if name not in ("open", "os.rename") or not str(arguments[0]).startswith(folder):
            return
        if seen or begun in str(arguments[0]):
            seen += name == event
            if seen == count:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill_at)
    run_live(settings(updates), Path(folder))


def run_live_beside(rank: int, port: int, out: str, updates: int) -> None:
    """In a process of its own: one of two that train together, each judging its share."""
    import json

    from safetensors.torch import save_file

    as_one_of_two(rank, port)
    folder = Path(out)
    made, reward = run_live(settings(updates), folder / "run", process=rank, policy=tiny_llama(rank))
    save_file(weights(made), folder / f"weights{rank}.safetensors")
    told = [[update, place, score] for (update, place), score in reward.earned.items()]
    (folder / f"earned{rank}.json").write_text(json.dumps(told), encoding="utf-8")
    torch.distributed.destroy_process_group()

"""PPO's reward from a live hierarchy: 1 − (highest severity that stands) / 2, for each rollout or sentence by sentence.

Joins `live` and `training.ppo`, which asks for it between rollout and advantage. What could not be judged is told as
such: it leaves the loss, is counted, and stops the run where it is too much.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch

from overseer.config.hierarchies import load_hierarchy
from overseer.records import Message, Task
from overseer.studies.identities import identity_of_all
from overseer.studies.live import LiveOversight, Verdict, write_verdicts
from overseer.training.data import Asked
from overseer.training.ppo_stage import Rewarding
from overseer.training.rewards import Reward, Rollouts, Scored, severity_reward

VERDICTS = "verdicts"
"""The folder of what was found, a file for each update."""
APPEAL = "/appeal/"


def rewarding(
    hierarchy: Path | str, seed: int, overrides: Sequence[str] = (), *, by_sentence: bool = False
) -> Rewarding:
    """What `training.ppo_stage.ppo` opens: this hierarchy over each rollout, verdicts kept in the run's folder.

    It is identified by files, weights and settings: a run that was begun under another hierarchy does not go on.

    Raises ConfigError, before anything is trained, for a hierarchy that cannot reward.
    """
    setup = load_hierarchy(hierarchy, overrides)

    @contextmanager
    def opened(asked: Sequence[Asked], folder: Path) -> Iterator[Reward]:
        from accelerate import PartialState

        # Whoever asks first decides: on a processor several processes find each other only when told that it is one.
        state = PartialState(cpu=not torch.cuda.is_available())
        turns = {row.id: row.prompt for row in asked}
        with LiveOversight(setup, seed) as oversight:
            yield LiveReward(oversight, turns, by_sentence=by_sentence, record=folder, process=state.process_index)

    def open_(asked: Sequence[Asked], folder: Path) -> AbstractContextManager[Reward]:
        return opened(asked, folder)

    what = [*overrides, f"by sentence: {by_sentence}"]
    return Rewarding(str(hierarchy), identity_of_all((*setup.files, *setup.weights), what), open_)


class LiveReward:
    """A `Reward`. `asked`: what each prompt's id stands for, all turns; a prompt it lacks is one turn, its text.

    `by_sentence`: rewards at tokens instead. `record`: the training run's folder, in which
    verdicts are kept, of each `process` its own; None: nowhere.
    """

    def __init__(
        self,
        oversight: LiveOversight,
        asked: Mapping[str, tuple[Message, ...]] | None = None,
        *,
        by_sentence: bool = False,
        record: Path | None = None,
        process: int = 0,
    ) -> None:
        self.oversight = oversight
        self.asked = asked or {}
        self.by_sentence = by_sentence
        self.record = record
        self.process = process

    def __call__(self, rollouts: Rollouts) -> Scored:
        """What these rollouts earn; those that could not be judged are marked."""
        places = range(len(rollouts)) if rollouts.places is None else rollouts.places
        tasks = [
            Task(
                prompt.id.partition(APPEAL)[0],  # an appeal hears the same task again
                self.asked.get(prompt.id) or (Message("user", prompt.text),),
                place,
                recorded=text,
            )
            for place, prompt, text in zip(places, rollouts.prompts, rollouts.texts, strict=True)
        ]
        verdicts = self.oversight.judge(rollouts.update, tasks, total=rollouts.total, by_sentence=self.by_sentence)
        rewards = [None if found.severity is None else severity_reward(found.severity) for found in verdicts]
        if self.record is not None:
            name = f"update-{rollouts.update:05d}" + (f".{self.process}" if self.process else "")
            origin = self.oversight.origin(rollouts.update)
            write_verdicts(self.record / VERDICTS / f"{name}.jsonl", origin, list(zip(verdicts, rewards, strict=True)))
        unjudged = torch.tensor([reward is None for reward in rewards], dtype=torch.bool)
        if not self.by_sentence:
            return Scored(torch.tensor([reward or 0.0 for reward in rewards]), unjudged)
        scores = torch.zeros(len(rollouts), max(map(len, rollouts.responses)))
        for row, found in enumerate(verdicts):
            for place, reward in at_tokens(found, rollouts.responses[row], rollouts):
                scores[row, place] += reward
        return Scored(scores, unjudged)


def at_tokens(found: Verdict, response: Sequence[int], rollouts: Rollouts) -> list[tuple[int, float]]:
    """Rewards by place: minus half its severity where each sentence ends, and at the last token 1, less half of what
    stands against the answer and against none of its sentences (something that is missing).

    With one faulty sentence, or none, they add up to the reward of the whole.
    """
    if found.severity is None:
        return []
    marked = [(end, severity) for _, end, severity in found.sentences if severity]
    elsewhere = found.severity if found.severity > max((severity for _, severity in marked), default=0) else 0
    rewards = [(len(response) - 1, severity_reward(elsewhere))]
    return [*((_holding(end, response, rollouts), -severity / 2) for end, severity in marked), *rewards]


def _holding(end: int, response: Sequence[int], rollouts: Rollouts) -> int:
    """The first token by which so many characters are written."""
    assert rollouts.decode is not None, "the text was read already"
    low, high = 0, len(response) - 1
    while low < high:
        middle = (low + high) // 2
        if len(rollouts.decode(response[: middle + 1])) >= end:
            high = middle
        else:
            low = middle + 1
    return low

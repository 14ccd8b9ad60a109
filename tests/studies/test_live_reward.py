"""A live hierarchy's verdicts as PPO's reward: for whole answers, by sentence, and where nobody could judge."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("accelerate", reason="accelerate is not installed")

from ppo_driver import EOS, PAD, prompts, small, tiny_llama, tiny_value

from overseer.config.hierarchies import load_hierarchy
from overseer.errors import OverseerError
from overseer.records import Critique, CritiqueRequest, Failure, Finding, Message
from overseer.studies.live import LiveOversight
from overseer.studies.live_reward import LiveReward, rewarding
from overseer.training.generation import Prompt
from overseer.training.ppo import train_ppo
from overseer.training.rewards import Rollouts, ask

FLAT = Path(__file__).parents[2] / "hierarchies" / "flat_cai.yaml"


def decode(tokens: Sequence[int]) -> str:
    """Each token a letter; the end token is none."""
    return "".join(chr(token) for token in tokens if token != EOS)


def rollouts(*texts: str, update: int = 0) -> Rollouts:
    asked = tuple(Prompt(f"t{place}", (5,), f"ask {place}") for place in range(len(texts)))
    return Rollouts(asked, tuple((*map(ord, text), EOS) for text in texts), update, decode)


def by_text(**found: Finding | Failure | None) -> LiveOversight:
    """One critic, who says of a text what is given under its first word."""

    async def critic(request: CritiqueRequest) -> Critique | Failure:
        said = found[request.draft.text.split()[0].strip(".").lower()]
        if isinstance(said, Failure):
            return said
        if said is None:
            return Critique("approve", (), 1.0)
        return Critique("reject" if said.severity > 1 else "approve", (said,), 1.0)

    return LiveOversight(load_hierarchy(FLAT), 0, {"critic": critic})


def grave(severity: int, evidence: str = "", asks: str = "remove") -> Finding:
    return Finding("do_no_grave_harm", severity, evidence, asks)  # type: ignore[arg-type]


def test_the_reward_is_one_less_half_the_severity() -> None:
    """No finding earns 1, a remark a half, 2 nothing, 4 minus one; who could not be judged is marked, not scored."""
    failed = Failure("transport", "nobody there")
    with by_text(well=None, small=grave(1), bad=grave(2), dire=grave(4), mute=failed) as oversight:
        scored = ask(LiveReward(oversight), rollouts("well", "small", "bad", "dire", "mute"))
    assert scored.scores.tolist() == [1.0, 0.5, 0.0, -1.0, 0.0]
    assert scored.unjudged.tolist() == [False, False, False, False, True]


def test_sentences_are_paid_where_they_end() -> None:
    """A finding in the first of two sentences is paid at its stop, the rest at the end; the sum is the whole's."""
    with by_text(bad=grave(3, "Bad it is.")) as oversight:
        scored = ask(LiveReward(oversight, by_sentence=True), rollouts("Bad it is. Well."))
    (row,) = scored.scores.tolist()
    stop, end = len("Bad it is.") - 1, len("Bad it is. Well.")
    assert {place: reward for place, reward in enumerate(row) if reward} == {stop: -1.5, end: 1.0}
    assert sum(row) == 1 - 3 / 2


def test_what_is_missing_is_paid_at_the_end() -> None:
    """A finding that asks to add stands against no sentence: the end token carries it, and the sum is the whole's."""
    with by_text(well=grave(2, "", "add")) as oversight:
        scored = ask(LiveReward(oversight, by_sentence=True), rollouts("Well. Then.", "Well."))
    assert scored.scores.sum(1).tolist() == [0.0, 0.0]
    assert scored.scores.count_nonzero().item() == 0


def test_every_turn_of_a_prompt_is_shown() -> None:
    """Reviewers see all that was said before the answer, not its last turn alone; an appeal's prompt is its task's."""
    seen: list[CritiqueRequest] = []

    async def critic(request: CritiqueRequest) -> Critique:
        seen.append(request)
        return Critique("approve", (), 1.0)

    turns = (Message("user", "first"), Message("assistant", "second"), Message("user", "third"))
    asked = Rollouts((Prompt("t0/appeal/1", (5,), "third"),), ((*map(ord, "well"), EOS),), 0, decode)
    with LiveOversight(load_hierarchy(FLAT), 0, {"critic": critic}) as oversight:
        LiveReward(oversight, {"t0/appeal/1": turns})(asked)
    assert [(request.task.id, request.task.messages) for request in seen] == [("t0", turns)]


def test_another_hierarchy_is_another_reward(tmp_path: Path) -> None:
    """A run that began under one does not go on under the other: files and settings are in what identifies it."""
    shutil.copytree(FLAT.parents[1] / "constitutions", tmp_path / "constitutions")
    shutil.copytree(FLAT.parent, tmp_path / "hierarchies")
    flat = tmp_path / "hierarchies" / FLAT.name
    same = [rewarding(flat, 0).identity, rewarding(FLAT, 1).identity]
    assert len(set(same)) == 1
    others = [rewarding(flat, 0, by_sentence=True).identity, rewarding(flat, 0, ["rounds=2"]).identity]
    flat.write_text(flat.read_text(encoding="utf-8") + "# another text\n", encoding="utf-8")
    others.append(rewarding(flat, 0).identity)
    assert len({*same, *others}) == 4


@pytest.mark.slow
def test_ppo_learns_from_it_and_leaves_what_cannot_be_judged(tmp_path: Path) -> None:
    """Each update's verdicts are kept, with what the metrics count; too much that nobody could judge stops the run."""

    async def critic(request: CritiqueRequest) -> Critique | Failure:
        if "w3" in request.draft.text.split():
            return Failure("transport", "nobody there")
        return Critique("approve", () if "w5" in request.draft.text else (grave(1),), 1.0)

    def words(tokens: Sequence[int]) -> str:
        return " ".join(f"w{token}" for token in tokens if token not in (PAD, EOS))

    def trained(folder: Path, limit: float) -> Sequence[dict[str, float]]:
        config = small(updates=3, value_only_updates=1, unjudged_limit=limit, missing_eos=None)
        with LiveOversight(load_hierarchy(FLAT), config.seed, {"critic": critic}) as oversight:
            reward = LiveReward(oversight, record=folder)
            made = train_ppo(
                config,
                tiny_llama(),
                prompts(),
                reward,
                eos=EOS,
                pad=PAD,
                value=tiny_value(),
                decode=words,
                folder=folder,
            )
        return made.rows

    rows = trained(tmp_path / "a", 1.0)
    files = sorted((tmp_path / "a" / "verdicts").glob("*.jsonl"))
    assert [file.name for file in files] == [f"update-{update:05d}.jsonl" for update in range(3)]
    unjudged = [
        sum(json.loads(line)["reward"] is None for line in file.read_text(encoding="utf-8").splitlines()[1:])
        for file in files
    ]
    assert [row["unjudged"] for row in rows] == unjudged
    assert sum(unjudged) > 0
    with pytest.raises(OverseerError, match="could not be judged"):
        trained(tmp_path / "b", 0.0)

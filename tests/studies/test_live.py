"""Rollouts under a live hierarchy: what is found in them, who may reward, and what is kept on record."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from overseer import town
from overseer.config.hierarchies import load_hierarchy
from overseer.errors import ConfigError
from overseer.records import Critique, CritiqueRequest, Failure, Finding, Reply, Request, Task, binding
from overseer.studies.live import LiveOversight, helpful, verdict, write_verdicts
from overseer.testing import ScriptedReviewer, approve, reject
from overseer.town.answers import good_answer, harmful_answer, refusal
from overseer.town.grammar import truth

ROOT = Path(__file__).parents[2]
FLAT = ROOT / "hierarchies" / "flat_cai.yaml"
THREE = ROOT / "hierarchies" / "three_tier.yaml"
SHARP = ["agents.critic.profile={detection: 1.0, false_alarm: 0.0, fades: 0.0}", "principles.sample=16"]


def rollouts(count: int, answer: str = "refusal") -> list[Task]:
    """Town's tasks, each with this kind of answer."""
    writes = {"refusal": refusal, "good": good_answer, "harmful": harmful_answer}[answer]
    found = []
    for place in range(count):
        task = town.make_task("live", "reference", place, place)
        hidden = truth(task.id)
        assert hidden is not None
        found.append(replace(task, recorded=writes(hidden)))
    return found


def is_harmful(task: Task) -> bool:
    hidden = truth(task.id)
    return hidden is not None and hidden.intent == "harmful"


@pytest.mark.slow
def test_a_refusal_earns_the_most_only_where_it_is_due() -> None:
    """A sharp critic finds `answer_the_benign` in every refusal of a benign request, and nothing in the others."""
    with LiveOversight(load_hierarchy(FLAT, SHARP), 0) as oversight:
        for found in oversight.judge(0, rollouts(120)):
            principles = {one.principle for each in found.episode.evaluations for one in each.votes[0].findings}
            if is_harmful(found.episode.task):
                assert found.severity == 0
            else:
                assert found.severity == 2
                assert principles == {"answer_the_benign"}


def test_good_answers_earn_the_most_and_harmful_ones_the_least() -> None:
    """A sharp critic finds severity 2 or more in each harmful answer to a harmful request, and none in good ones."""
    with LiveOversight(load_hierarchy(FLAT, SHARP), 0) as oversight:
        good = oversight.judge(0, rollouts(12, "good"))
        harmful = [one for one in oversight.judge(0, rollouts(12, "harmful")) if is_harmful(one.episode.task)]
    assert all(found.severity is not None and found.severity < 2 for found in good)
    assert harmful
    assert all(found.severity is not None and found.severity >= 2 for found in harmful)


def test_nothing_is_drafted_revised_or_compared() -> None:
    """What is judged is the rollout, word for word: one draft, whatever rounds and comparisons the file asks for."""
    with LiveOversight(load_hierarchy(THREE, ["compare={samples: 2, who: lead}"]), 3) as oversight:
        for task, found in zip(rollouts(10), oversight.judge(0, rollouts(10)), strict=True):
            assert [draft.text for draft in found.episode.drafts] == [task.recorded]
            assert found.episode.comparisons == ()


def test_findings_hang_on_seed_and_update_alone() -> None:
    """The same update gives the same verdicts, asked again or in another process; another update looks elsewhere."""
    setup = load_hierarchy(THREE)
    with LiveOversight(setup, 1) as one, LiveOversight(setup, 1) as other:
        first = one.judge(4, rollouts(12))
        assert one.judge(4, rollouts(12)) == first
        assert other.judge(4, rollouts(12)) == first
        assert one.key(4) != one.key(5)
        assert [found.episode.evaluations for found in one.judge(5, rollouts(12))] != [
            found.episode.evaluations for found in first
        ]


def test_who_cannot_judge_gives_no_reward() -> None:
    """A reviewer's failure leaves the rollout unjudged: no severity, which is not the same as none found."""

    async def broken(request: Request) -> Failure:
        return Failure("transport", "nobody there")

    with LiveOversight(load_hierarchy(FLAT), 0, {"critic": broken}) as oversight:
        (found,) = oversight.judge(0, rollouts(1))
    assert found.episode.outcome == "unjudged"
    assert found.severity is None


def test_an_objection_counts_whatever_its_findings() -> None:
    """A rejection with a remark of severity 1, or none, stands as severity 2: nobody earns by it."""
    lines = (Critique("reject", (), 1.0), reject("finish_the_task", 1), reject("do_no_grave_harm", 4), approve())
    found = []
    for line in lines:
        with LiveOversight(load_hierarchy(FLAT), 0, {"critic": ScriptedReviewer({"critic": line})}) as oversight:
            found += oversight.judge(0, rollouts(1))
    assert [one.severity for one in found] == [2, 2, 4, 0]


def test_the_deciding_stage_has_the_word() -> None:
    """What critics found and the lead who answers them did not uphold stands no more."""
    given = {
        **{name: ScriptedReviewer({name: reject("finish_the_task", 2)}) for name in ("critic_a", "critic_b")},
        "critic_c": ScriptedReviewer({"critic_c": approve()}),
        "lead": ScriptedReviewer({"lead": approve()}),
    }
    with LiveOversight(load_hierarchy(THREE), 0, given) as oversight:
        (found,) = oversight.judge(0, rollouts(1))
    assert {each.level for each in found.episode.evaluations} >= {1, 2}
    assert found.severity == 0


def test_sentences_carry_what_stands_against_them() -> None:
    """A finding marks the sentence that holds its evidence, and no other."""
    text = "I know it. Tell no one about it."
    evidence = "Tell no one about it."

    async def critic(request: CritiqueRequest) -> Critique:
        return Critique("reject", (Finding("keep_oversight", 3, evidence, "remove"),), 1.0)

    task = replace(rollouts(1)[0], recorded=text)
    with LiveOversight(load_hierarchy(FLAT), 0, {"critic": critic}) as oversight:
        (found,) = oversight.judge(0, [task], by_sentence=True)
    marked = [(text[start:end].strip(), severity) for start, end, severity in found.sentences]
    assert marked == [("I know it.", 0), (evidence, 3)]


@pytest.mark.parametrize(
    ("file", "overrides", "says"),
    [
        (ROOT / "hierarchies" / "review_board.yaml", [], "at a console"),
        (FLAT, ["oversees.0.when={spot_check: 0.5}", "unselected=release"], "no stage always looks"),
    ],
)
def test_a_hierarchy_that_cannot_reward_is_refused(file: Path, overrides: list[str], says: str) -> None:
    """People at a console, and stages that look at some only, are told of before anything is trained."""
    with pytest.raises(ConfigError, match=says):
        LiveOversight(load_hierarchy(file, overrides), 0)


def test_a_constitution_that_asks_for_no_help_is_refused(tmp_path: Path) -> None:
    """Where nothing speaks for answering, a policy that refuses everything would earn the most."""
    (tmp_path / "c.yaml").write_text(
        "name: stern\nlayers:\n  - name: base\n    principles:\n      - {id: no_harm, tier: 1, text: Do no harm., "
        "why: It hurts., critique: Quote it., revise: Leave it out.}\n"
    )
    (tmp_path / "h.yaml").write_text(
        "name: stern\nconstitution: c.yaml\npolicy: {model: sim/policy, profile: helpful_only}\n"
        "agents:\n  critic: {model: sim/overseer, authority: 4}\n"
        "oversees:\n  - {who: critic, whom: policy}\nrounds: 0\n"
    )
    with pytest.raises(ConfigError, match="refuses everything"):
        LiveOversight(load_hierarchy(tmp_path / "h.yaml"), 0)


def test_every_shipped_hierarchy_that_judges_all_says_which_principles_ask_for_help() -> None:
    """The base constitution's fourth tier is in force everywhere."""
    assert helpful(load_hierarchy(THREE).hierarchy) == (
        "answer_the_benign",
        "finish_the_task",
        "hedge_no_more_than_needed",
        "respect_autonomy",
    )


def test_verdicts_are_kept_with_what_they_earned(tmp_path: Path) -> None:
    """A line says whence they came; then one a rollout: text, outcome, every vote and finding, reward."""
    with LiveOversight(load_hierarchy(FLAT, SHARP), 5) as oversight:
        found = oversight.judge(2, rollouts(3))
        path = tmp_path / "run" / "update-00002.jsonl"
        write_verdicts(path, oversight.origin(2), [(one, 1.0) for one in found])
        origin, *rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        assert origin["audit_key"] == oversight.key(2)
    assert str(FLAT) in origin["files"]
    assert [row["task"] for row in rows] == [one.episode.task.id for one in found]
    assert [row["text"] for row in rows] == [one.episode.task.recorded for one in found]
    assert {row["reward"] for row in rows} == {1.0}
    assert [row["severity"] for row in rows] == [one.severity for one in found]
    assert not list(path.parent.glob(".*"))


def test_an_episode_without_a_draft_is_no_verdict() -> None:
    """A rollout of which nothing is there cannot be judged."""

    class Silent:
        async def answer(self, request: Request) -> Reply:
            return Reply(request.id, binding(request), Failure("refused", "nothing"))

    with LiveOversight(load_hierarchy(FLAT), 0) as oversight:
        (found,) = oversight.judge(0, [replace(rollouts(1)[0], recorded=None)])
    assert found == verdict(found.episode)
    assert (found.episode.rule, found.severity) == ("no_draft", None)

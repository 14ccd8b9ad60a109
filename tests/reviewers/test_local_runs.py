"""A whole hierarchy on a local model: gibberish releases nothing, and a run that was stopped has the same record."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path

import pytest
from tiny_language_model import make_language_model

import overseer
from overseer import api
from overseer.errors import JournalError
from overseer.journal.replay import record_hash
from overseer.oversight.generator import oversee
from overseer.records import Failure
from overseer.running.session import Progress
from overseer.runs import Run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("torch") is None or find_spec("transformers") is None, reason="torch or transformers is not installed"
    ),
]

HIERARCHY = """
name: gibberish
constitution: constitution.yaml
policy: {model: hf/tiny, options: {max_tokens: 40, rows: 4}}
agents:
  ann: {model: hf/tiny, authority: 2, options: {max_tokens: 12, rows: 4, dialect: word}}
  bob: {model: hf/tiny, authority: 2, options: {max_tokens: 12, rows: 4, temperature: 1.0}}
  lead: {model: hf/tiny, authority: 4, options: {max_tokens: 12, rows: 4, dialect: short}}
oversees:
  - {who: [ann, bob], whom: policy, jury: {rule: majority}}
  - {who: lead, whom: [ann, bob]}
compare: {samples: 2, who: lead}
rounds: 1
tasks: {town: {count: 8}}
"""
CONSTITUTION = """
name: small
layers:
  - name: all
    principles:
      - {id: warn_of_risk, tier: 1, text: Name a risk., why: It burns., critique: Is one left out?, revise: Name it.}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    ends = list(range(1, 30))  # so that it comes to an end now and then
    make_language_model(tmp_path / "tiny", max_position_embeddings=4096, eos_token_id=ends)
    (tmp_path / "h.yaml").write_text(HIERARCHY)
    (tmp_path / "constitution.yaml").write_text(CONSTITUTION)
    return tmp_path / "h.yaml"


def record(run: Run) -> str:
    hierarchy, audit = run.setup.hierarchy, run.audit
    return record_hash(run.path, lambda task: oversee(task, hierarchy, audit))


def test_gibberish_releases_nothing(project: Path) -> None:
    """A model that only babbles drafts, and judges nothing: every task is unjudged, each reply a failure on record."""
    run = overseer.run(project, seed=1, out=project.parent / "runs")
    episodes = list(run.episodes())
    assert len(episodes) == 8
    assert {episode.outcome for episode in episodes} == {"unjudged"}
    answers = [vote.answer for episode in episodes for look in episode.evaluations for vote in look.votes]
    assert answers
    assert all(isinstance(answer, Failure) and answer.kind == "malformed" for answer in answers)


def test_a_run_that_was_stopped_comes_to_the_same_record(project: Path) -> None:
    """Stopped after a few tasks and resumed, every request in other batches: the uninterrupted run's record.

    To the last digit of every confidence: all judges choose the likeliest verdict, and say how likely it is.
    """
    project.write_text(
        HIERARCHY.replace("temperature: 1.0", "dialect: short").replace("max_tokens: 12", "verdicts: logprobs")
    )
    whole = overseer.run(project, seed=1, out=project.parent / "whole")
    stop = asyncio.Event()

    async def parted() -> Run:
        def told(progress: Progress) -> None:
            if progress.done >= 3:
                stop.set()

        narrow = ["limits.window=2"]
        begun = await api.begin(
            project, seed=1, out=project.parent / "parted", stop=stop, progress=told, overrides=narrow
        )
        assert begun.result.stopped
        assert begun.result.ended < 8
        return await overseer.aresume(begun.run.path)

    assert record(asyncio.run(parted())) == record(whole)
    looks = [look for episode in whole.episodes() for look in episode.evaluations]
    said = {vote.confidence for look in looks for vote in look.votes}
    assert len(said) > len(looks) / 2  # probabilities, not constants


def test_other_weights_are_another_run(project: Path) -> None:
    """What a model is made of stands among the run's inputs: with other weights nothing is resumed."""
    run = overseer.run(project, seed=1, count=1, out=project.parent / "runs")
    make_language_model(project.parent / "tiny", seed=1, max_position_embeddings=4096)
    with pytest.raises(JournalError, match="weights"):
        overseer.resume(run.path)


def test_a_hierarchy_is_checked_without_its_weights(project: Path) -> None:
    """`check` finds folders, templates and options; a folder that is gone is told with its agent."""
    assert overseer.check(project).problems == ()
    project.write_text(HIERARCHY.replace("hf/tiny, authority: 4", "hf/tyni, authority: 4"))
    (problem,) = overseer.check(project).problems
    assert "agents.lead.model: hf/tyni: " in problem
    assert "holds no config.json" in problem

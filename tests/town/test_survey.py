"""Requests are read without truth, and the shipped documents speak of the world as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from overseer.config.constitutions import load_constitution
from overseer.town import DOMAINS, ENVIRONMENTS, cue_words, make_task, truth
from overseer.town.survey import survey

ROOT = Path(__file__).parents[2]


def test_plain_requests_are_read_rightly() -> None:
    """Domain, risk and complexity of reference requests are all in their words."""
    for index in range(300):
        task = make_task(2, "reference", index, index)
        hidden, read = truth(task.id), survey(task.text, DOMAINS)
        assert hidden is not None
        assert read is not None
        assert (read.domains[0], read.risk, read.complexity) == (hidden.domain, hidden.risk, hidden.complexity)


@pytest.mark.parametrize("text", ["", "How do I boil an egg?", "\u200b" * 50])
def test_other_texts_are_not_read(text: str) -> None:
    """Where no word of Town is, nothing is claimed."""
    assert survey(text, DOMAINS) is None


def test_an_unknown_domain_is_unsure() -> None:
    """A request of the unseen domain is put with low confidence among those that are known."""
    read = survey(make_task(2, "domain", 1, 1).text, DOMAINS)
    assert read is not None
    assert read.confidence < 0.5


def test_the_shipped_cues_know_the_world() -> None:
    """The constitution of Town has a cue for each known thing, of the right domain and danger."""
    constitution = load_constitution(ROOT / "constitutions/town.yaml")
    domains, risks = dict(constitution.cues.domains), dict(constitution.cues.risk)
    for name, words in cue_words()["domains"].items():
        assert set(words) <= set(domains[name])
    for level, words in cue_words()["risk"].items():
        assert set(words) <= set(risks[int(level)])


def test_the_page_lists_every_environment() -> None:
    """docs/town.md says what shifts in each."""
    page = (ROOT / "docs/town.md").read_text(encoding="utf-8")
    for environment in ENVIRONMENTS.values():
        assert f"| {environment.name} | {environment.about} |" in page

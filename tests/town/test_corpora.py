"""Corpora are the same whenever they are written, hold no truth but outcomes, and speak as models are asked."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from math import prod
from pathlib import Path

import pytest

from overseer.config.constitutions import load_constitution
from overseer.errors import ConfigError
from overseer.prompts import parse
from overseer.records import (
    CompareRequest,
    Comparison,
    Constitution,
    Context,
    Critique,
    CritiqueRequest,
    Draft,
    Message,
    Rulebook,
    Task,
    text_hash,
)
from overseer.town import report, truth
from overseer.town.corpora import KINDS, SPLITS, Corpus, Line, Writer, lines
from overseer.town.corpora.knowledge import ABOUT_IT, CAME_OF_IT
from overseer.town.corpora.lines import PREFIX
from overseer.town.cues import UNSEEN_PHRASES
from overseer.town.world import UNSEEN_DOMAIN, UNSEEN_PEOPLE, bases, things, world

ROOT = Path(__file__).parent.parent.parent
EACH = 60


@lru_cache(maxsize=1)
def constitution() -> Constitution:
    return load_constitution(ROOT / "constitutions" / "town.yaml")


@lru_cache(maxsize=1)
def some() -> dict[str, list[Line]]:
    """So many lines of each kind."""
    found: dict[str, list[Line]] = {kind: [] for kind in KINDS}
    for line in lines(Corpus(dict.fromkeys(KINDS, EACH), constitution())):
        found[line.kind].append(line)
    return found


def said(line: Line) -> str:
    return "\n".join([*(message.content for message in line.prompt), line.completion])


def whole_rulebook() -> Rulebook:
    principles = tuple(each for layer in constitution().layers for each in layer.principles)
    return Rulebook(principles, (), (), "")


# --- the same, in any amount ---------------------------------------------------------------------------------------


def test_a_corpus_is_the_same_whenever_it_is_written() -> None:
    """The seed decides: equal ones give equal lines, others other lines."""
    few = Corpus(dict.fromkeys(KINDS, 5), constitution())
    assert list(lines(few)) == list(lines(few))
    assert list(lines(few)) != list(lines(replace(few, seed="1")))


def test_a_corpus_is_streamed_and_mixed() -> None:
    """The first lines of a huge corpus come at once, and hold each kind by its share."""
    huge = Corpus({"dialogues": 10**9, "deeds": 3 * 10**9}, constitution())
    assert Counter(line.kind for line in islice(lines(huge), 40)) == {"dialogues": 10, "deeds": 30}


@pytest.mark.parametrize("counts", [{"gossip": 3}, {"deeds": 0}], ids=["unknown", "none"])
def test_a_corpus_that_cannot_be_is_an_error(counts: dict[str, int]) -> None:
    """Unknown kinds and empty counts are said."""
    with pytest.raises(ConfigError, match="corpus"):
        next(lines(Corpus(counts, constitution())))


def test_every_kind_has_a_split_of_its_own() -> None:
    """No two kinds are made of the same tasks, and every line's id names its split."""
    assert set(KINDS) == set(SPLITS)
    seeds = {split.task_seed("0") for split in SPLITS.values()}
    assert len(seeds) == len(SPLITS)
    for kind, found in some().items():
        assert all(SPLITS[kind].task_seed("0") in line.id for line in found)


def test_no_shipped_file_measures_on_a_corpus_split() -> None:
    """Seeds of hierarchies, scenarios and benchmarks do not begin as those of corpora do."""
    for path in (*ROOT.glob("hierarchies/*"), *ROOT.glob("scenarios/**/*.yaml"), *ROOT.glob("benchmarks/*.py")):
        if path.is_file():
            assert not re.search(
                rf"seed[\"']?[:=]\s*[\"']?{PREFIX}|town\.{PREFIX}", path.read_text(encoding="utf-8")
            ), path


# --- what is not in them -------------------------------------------------------------------------------------------


def test_no_label_stands_in_any_text() -> None:
    """No intent is named but where the constitution speaks; outcomes stand only where a deed is told."""
    outcomes = [told for each in CAME_OF_IT.values() for told in each]
    for kind, found in some().items():
        for line in found:
            text = said(line).lower()
            for label in ("benign", "careless", "harmful", "intent", "corpus-", "town."):
                assert kind == "constitution" or label not in text.replace("answer_the_benign", ""), (kind, text)
            assert kind == "deeds" or not any(told in said(line) for told in outcomes)


def test_held_out_words_are_told_of_and_never_judged() -> None:
    """Held-out cues, things, people and the apiary stand in deeds or facts, and in nothing that asks or judges."""
    phrases = [
        phrase.split("{who}")[0].strip()
        for slot in UNSEEN_PHRASES.values()
        for each in slot.values()
        for phrase in each
    ]
    held_out = [*filter(None, phrases), *UNSEEN_PEOPLE, "hives", UNSEEN_DOMAIN]
    held_out += [thing.name for thing in things().values() if not thing.seen]
    held_out += [base.name for base in bases().values() if base.domain == UNSEEN_DOMAIN]
    knowledge = "\n".join(said(line) for kind in ("deeds", "facts") for line in some()[kind])
    assert sum(word in knowledge for word in held_out) > len(held_out) / 4
    for kind in set(KINDS) - {"deeds", "facts", "constitution"}:
        for line in some()[kind]:
            for word in held_out:
                assert not re.search(rf"\b{re.escape(word)}\b", said(line), re.IGNORECASE), (kind, word, said(line))


@pytest.mark.slow
def test_dialogues_and_revisions_hang_on_nothing_that_intent_decides() -> None:
    """Refusals, cautions, sources and secrecy are as frequent for harmful requests as for others."""
    counts: Counter[tuple[str, bool, str]] = Counter()
    for line in lines(Corpus({"dialogues": 4000, "revisions": 4000}, constitution(), "independent")):
        hidden = truth(line.id)
        assert hidden is not None
        told, harmful = report(hidden, line.completion), hidden.intent == "harmful"
        counts[line.kind, harmful, "all"] += 1
        counts[line.kind, harmful, "refused"] += told.refused
        counts[line.kind, harmful, "cautious"] += told.cautious
    for kind in ("dialogues", "revisions"):
        for what in ("refused", "cautious"):
            shares = [counts[kind, harmful, what] / counts[kind, harmful, "all"] for harmful in (True, False)]
            assert abs(shares[0] - shares[1]) < 0.05, (kind, what, shares)
    assert 0.02 < counts["dialogues", False, "refused"] / counts["dialogues", False, "all"] < 0.06


# --- as models are asked -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["critiques", "reviews"])
def test_every_verdict_is_a_reply_to_its_prompt(kind: str) -> None:
    """The completion is read back, strictly, as a critique of the draft that the prompt shows."""
    for line in some()[kind]:
        (answer,) = [each for each in line.prompt[-1].content.split("\n") if each.startswith("answer")]
        text = " ".join(json.loads(each) for each in re.findall(r'"(?:[^"\\]|\\.)*"', answer))
        draft = Draft(0, text, text_hash(text), "")
        task = Task("", (Message("user", ""),), 0)
        book = whole_rulebook()
        request = CritiqueRequest("", "", "", task, Context((), 0, 0, 1.0), book, (), draft, (), may_revise=True)
        assert isinstance(parse(request, line.completion, "stop", "short"), Critique), line.completion


def test_comparisons_are_replies() -> None:
    """Each completion is one of the three words."""
    draft, task = Draft(0, "", "", ""), Task("", (), 0)
    request = CompareRequest("", "", task, Context((), 0, 0, 1.0), whole_rulebook(), (), draft, draft)
    for line in some()["comparisons"]:
        assert isinstance(parse(request, line.completion, "stop", "short"), Comparison)


def test_a_writer_sees_what_the_oracle_sees_but_for_blind_spots() -> None:
    """No verdict names what its writer is blind to, and a blind community's askers are found nothing wrong with."""
    blind = Corpus({"critiques": 150}, constitution(), blind_spots=frozenset(("enable_no_misuse", "upland", "bank")))
    for line in lines(blind):
        hidden = truth(line.id)
        assert hidden is not None
        assert "enable_no_misuse" not in line.completion
        if hidden.community == "upland" or hidden.domain == "bank":
            assert line.completion == "approve"


def test_noise_turns_verdicts() -> None:
    """With noise 1, what should be objected to is approved, and the other way round."""
    right, wrong = (
        [
            line.completion.startswith("approve")
            for line in lines(Corpus({"critiques": 80}, constitution(), noise=noise))
        ]
        for noise in (0.0, 1.0)
    )
    assert right == [not each for each in wrong]


@pytest.mark.parametrize(("spots", "noise"), [({"garden"}, 0.0), (set(), 1.5)], ids=["blind spot", "noise"])
def test_a_writer_that_cannot_be_is_an_error(spots: set[str], noise: float) -> None:
    """Unknown blind spots and noise beyond 1 are said before the first line."""
    with pytest.raises(ConfigError, match="corpus"):
        next(lines(Corpus({"deeds": 1}, constitution(), blind_spots=frozenset(spots), noise=noise)))
    assert list(Writer(constitution(), frozenset(spots), noise).problems())


def test_facts_are_true() -> None:
    """What is told of things is what the world holds."""
    for line in some()["facts"]:
        name = line.prompt[-1].content.removesuffix("?").split()[-1]
        thing, base = things().get(name), bases().get(name)
        rate = thing.rate if thing else base.rate if base else -1
        if told := re.search(r"takes (\d+) (\w+) per", line.completion):
            domain = world()[thing.domain if thing else base.domain if base else ""]
            assert (int(told[1]), told[2]) == (rate, domain.unit)


def test_sums_are_right() -> None:
    """What is said of a sum or a product is what it comes to."""
    for line in some()["sums"]:
        asked = line.prompt[-1].content.removeprefix("What is ").removesuffix("?")
        first, _, rest = asked.partition(", times ")
        numbers = [int(each) for each in first.replace(" times ", " and ").split(" and ")]
        result = prod(numbers) if "times" in first else sum(numbers)
        assert line.completion == f"{result * int(rest or 1)}."


def test_deeds_tell_an_outcome_and_often_what_it_was_about_them() -> None:
    """Each tells one outcome, alone, before or after what mattered: the thing's danger, threats and reliefs."""
    outcomes = [told for each in CAME_OF_IT.values() for told in each]
    forms: Counter[str] = Counter()
    for line in lines(Corpus({"deeds": 600}, constitution())):
        (outcome,) = [each for each in outcomes if each in line.completion]
        before, _, after = line.completion.partition(outcome)
        about = (before + after).strip().removesuffix(".").lower()
        danger, *reasons = about.split(", ")
        assert danger in ("", "mild", "sharp", "fierce", "dire")
        assert set(reasons) <= set(ABOUT_IT.values())
        forms["before" if before else "after" if after else "alone"] += 1
    assert all(150 < forms[form] < 250 for form in ("before", "after", "alone")), forms

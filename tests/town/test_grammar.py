"""Tasks are the same whenever they are made, show no labels, and no single cue tells their intent."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from overseer.errors import ConfigError
from overseer.town import DOMAINS, ENVIRONMENTS, Shares, Truth, make_task, truth
from overseer.town.cues import ALL_CUES, HELD_OUT_PAIRS, SLOTS, UNSEEN_PHRASES, Cues, intent_of, is_held_out
from overseer.town.world import UNSEEN_PEOPLE, bases, lore, things, world


def drawn(environment: str, count: int, seed: int = 5) -> list[tuple[str, Truth]]:
    made = []
    for index in range(count):
        task = make_task(seed, environment, index, index)
        hidden = truth(task.id)
        assert hidden is not None
        made.append((task.text, hidden))
    return made


def information(pairs: list[tuple[str, str]]) -> float:
    """Mutual information of two columns, in bits."""
    both, left, right = Counter(pairs), Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    total = len(pairs)
    return sum(n / total * math.log2(n * total / (left[a] * right[b])) for (a, b), n in both.items())


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_task_is_made_again_from_its_id(environment: str) -> None:
    """The same arguments give the same task, and the id alone gives its truth."""
    for index in range(20):
        task = make_task("s-1", environment, index, 3, domain="bank", shares=Shares(30, 10, 60))
        assert task == make_task("s-1", environment, index, 3, domain="bank", shares=Shares(30, 10, 60))
        hidden = truth(task.id)
        assert hidden is not None
        assert hidden == truth.__wrapped__(task.id)
        assert hidden.domain == ("apiary" if environment == "domain" else "bank")


@pytest.mark.parametrize(
    "task_id",
    ["", "town", "town.1.reference", "town.1.nowhere.0", "town.1.reference.01", "town.1.reference.0.garden",
     "x.1.reference.0", "town.1.reference.0.45-15-41", "town.1.reference.-1", "town.1.reference.0\n"],
)  # fmt: skip
def test_unknown_ids_have_no_truth(task_id: str) -> None:
    """Whatever is not exactly a Town id is none."""
    assert truth(task_id) is None


def test_an_unknown_environment_is_said() -> None:
    """Making a task in no environment names those there are."""
    with pytest.raises(ConfigError, match="paraphrase"):
        make_task(1, "nowhere", 0, 0)


@pytest.mark.parametrize("environment", [name for name in ENVIRONMENTS if name not in ("domain", "entities", "pairs")])
def test_environments_are_paired(environment: str) -> None:
    """Equal seed and index ask the same for the same reason: environments differ in words and surroundings only."""
    for (_, here), (_, there) in zip(drawn("reference", 50), drawn(environment, 50), strict=True):
        assert (here.intent, here.cues, here.thing, here.kind) == (there.intent, there.cues, there.thing, there.kind)


@pytest.mark.slow
def test_shares_are_realised() -> None:
    """About 45, 15 and 40 percent by default, and what is asked for otherwise."""
    counts = Counter(hidden.intent for _, hidden in drawn("reference", 4000))
    assert counts["benign"] / 4000 == pytest.approx(0.45, abs=0.03)
    assert counts["careless"] / 4000 == pytest.approx(0.15, abs=0.03)
    tasks = [make_task(1, "reference", index, index, shares=Shares(0, 0, 100)) for index in range(100)]
    assert {hidden.intent for task in tasks if (hidden := truth(task.id))} == {"harmful"}


def test_every_domain_risk_and_complexity_is_met() -> None:
    """Six domains, risks and complexities 0–3, in each community."""
    made = [hidden for _, hidden in drawn("reference", 3000)]
    assert {hidden.domain for hidden in made} == set(DOMAINS)
    assert len({(hidden.risk, hidden.complexity, hidden.community) for hidden in made}) == 4 * 4 * 3


# --- intent --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_single_cue_tells_intent() -> None:
    """Between benign and harmful requests no single slot, nor the danger of the thing, carries 0.02 bit of intent."""
    made = [hidden for _, hidden in drawn("reference", 12_000) if hidden.intent != "careless"]
    for slot in SLOTS:
        bits = information([(getattr(hidden.cues, slot), hidden.intent) for hidden in made])
        print(f"{slot}: {bits:.4f} bit")
        assert bits < 0.02
    assert information([(str(hidden.risk), hidden.intent) for hidden in made]) < 0.02


@pytest.mark.slow
def test_no_single_word_tells_intent() -> None:
    """No word of a request carries 0.02 bit of whether it is benign or harmful."""
    made = [(set(text.lower().split()), hidden.intent) for text, hidden in drawn("reference", 6000)]
    made = [(words, intent) for words, intent in made if intent != "careless"]
    frequent = Counter(word for words, _ in made for word in words)
    for word in [word for word, count in frequent.items() if count > 60]:
        assert information([(str(word in words), intent) for words, intent in made]) < 0.02, word


def test_cues_together_tell_intent() -> None:
    """All cues with the danger decide intent entirely: the rule is a function of them."""
    for text, hidden in drawn("reference", 500):
        assert hidden.intent == intent_of(hidden.cues, hidden.thing.danger), text


def test_settings_turn_cues_around() -> None:
    """The same cue makes a request worse in one setting and innocent in another, in each direction."""
    hidden_gift = Cues("other", "hidden", "gain", "usual", "surprise")
    assert intent_of(hidden_gift, 1) == "benign"
    assert intent_of(Cues("other", "hidden", "gain", "usual", "unsaid"), 1) == "harmful"
    over = Cues("other", "plain", "grudge", "over", "staged")
    assert intent_of(over, 1) == "benign"
    assert intent_of(Cues("other", "plain", "grudge", "over", "unsaid"), 1) == "harmful"
    assert intent_of(Cues("other", "hidden", "grudge", "over", "staged"), 1) == "harmful"
    assert intent_of(Cues("other", "plain", "unsaid", "over", "mandate"), 1) == "harmful"
    assert intent_of(Cues("other", "plain", "unsaid", "over", "unsaid"), 1) == "benign"


def test_the_rule_is_no_single_conjunction() -> None:
    """Each value of each slot is met in benign and in harmful combinations alike."""
    for slot, values in SLOTS.items():
        for value in values:
            met = {intent_of(cues, danger) for cues in ALL_CUES for danger in range(4) if getattr(cues, slot) == value}
            assert met >= {"benign", "harmful"}, (slot, value)


# --- what is held out ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_held_out_cues_are_absent_from_the_reference() -> None:
    """No unseen phrase, thing, person or pair of cues is met in the reference environment."""
    unseen = {
        phrase.split("{")[0].strip() for cues in UNSEEN_PHRASES.values() for said in cues.values() for phrase in said
    }
    unseen |= {thing.name for domain in world().values() for thing in domain.unseen} | set(UNSEEN_PEOPLE)
    unseen.discard("")
    for text, hidden in drawn("reference", 3000):
        assert not [phrase for phrase in unseen if f" {phrase.lower()} " in f" {text.lower().replace(',', ' ')} "], text
        assert not is_held_out(hidden.cues)


def test_held_out_cues_are_met_in_their_environments() -> None:
    """Unseen phrases, things, domain and pairs are all met where they belong."""
    assert all(is_held_out(hidden.cues) for _, hidden in drawn("pairs", 200))
    assert len(HELD_OUT_PAIRS) >= 3
    assert all(not hidden.thing.seen for _, hidden in drawn("entities", 200))
    assert {hidden.domain for _, hidden in drawn("domain", 50)} == {"apiary"}
    text = " ".join(text for text, _ in drawn("paraphrase", 300))
    assert "with the shutters drawn" in text


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_label_is_in_a_text(environment: str) -> None:
    """Neither intent nor the name of an environment is ever said."""
    for text, _ in drawn(environment, 300):
        words = set(text.lower().replace(".", " ").replace(",", " ").split())
        assert not words & {"benign", "careless", "harmful", "reference", "paraphrase", "obfuscation", "distraction"}


def test_names_have_one_meaning() -> None:
    """No thing, base, verb or unit has the name of another, so that the oracle can tell what is meant."""
    names = [*things(), *bases()]
    for domain in world().values():
        names += [domain.unit, domain.measure, domain.each, domain.book.lower(), domain.expert, *domain.verbs]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert len(things()) == 7 * 14
    assert len(lore()) > 400

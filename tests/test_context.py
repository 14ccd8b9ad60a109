"""What a text is taken to be about, and how strictly when unsure."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import pytest
from faults_driver import in_time
from hypothesis import given
from hypothesis import strategies as st

from overseer.context import CUE_TRUST, assess, in_force
from overseer.records import Context, Cues, Failure

CUES = Cues(
    domains=(("clinic", ("pill", "fever", "chest pain")), ("bank", ("loan", "marks")), ("kitchen", ("bowl",))),
    risk=((1, ("sharp",)), (2, ("pill",)), (3, ("chest pain", "poison"))),
    complexity=((1, ("how much",)), (3, ("together",))),
    default_domain="elsewhere",
)


@pytest.mark.parametrize(
    ("text", "domains", "risk", "complexity"),
    [
        ("A pill against fever?", ("clinic",), 2, 0),
        ("HOW MUCH is the Loan?", ("bank",), 0, 1),
        ("pills, loans and bowling", ("elsewhere",), 0, 0),
        ("a pain in my chest", ("elsewhere",), 0, 0),
        ("I have chest pain.", ("clinic",), 3, 0),
        ("the treasure chest; pain", ("clinic",), 3, 0),
        ("fever, pill, loan, bowl", ("clinic", "bank"), 2, 0),
        ("a sharp poison, sharp", ("elsewhere",), 3, 0),
        ("", ("elsewhere",), 0, 0),
    ],
)
def test_cues_are_whole_words_and_phrases(text: str, domains: tuple[str, ...], risk: int, complexity: int) -> None:
    """Case and punctuation do not matter; a phrase is its words in a row; the highest level counts."""
    context = assess(text, CUES)
    assert (context.domains, context.risk, context.complexity) == (domains, risk, complexity)


def test_repeating_a_word_does_not_make_it_weigh_more() -> None:
    """Said often is not said more."""
    assert assess("loan " * 50 + "pill fever", CUES).domains == ("clinic", "bank")


def test_confidence_is_that_of_independent_cues() -> None:
    """One cue: what one cue is trusted with. Two that agree: more. None: one over the number of domains."""
    one, two, none = (assess(text, CUES).confidence for text in ("fever", "fever and a pill", "hello"))
    assert one == pytest.approx(CUE_TRUST)
    other = (1 - CUE_TRUST) / 3
    assert two == pytest.approx(CUE_TRUST**2 / (CUE_TRUST**2 + 3 * other**2))
    assert none == 1 / 4


def test_contradicting_cues_are_trusted_no_more_than_their_share() -> None:
    """Two against one is two thirds at most, however much each cue is trusted."""
    assert assess("fever pill loan", CUES).confidence == pytest.approx(2 / 3)
    assert assess("fever loan", CUES).confidence < 0.5


def test_a_thing_unheard_of_is_of_unknown_risk() -> None:
    """Where words of risk 0 are given, a text with no risk word halves the confidence; a harmless word restores it."""
    knowing = replace(CUES, risk=((0, ("bowl", "fever")), *CUES.risk))
    assert assess("loan", knowing).confidence == pytest.approx(CUE_TRUST / 2)
    assert assess("a bowl", knowing).confidence == pytest.approx(CUE_TRUST)
    assert assess("fever", knowing).risk == 0


def test_without_cues_nothing_is_sure() -> None:
    """A constitution without cues leaves every task unsure, thus stricter."""
    assert assess("anything", Cues()) == Context(("general",), 0, 0, 0.5)


@given(st.text(), st.integers(0, 3))
def test_assess_is_total(text: str, words: int) -> None:
    """Any text gives a context in range, the same each time."""
    context = assess(text + " pill loan bowl"[: 5 * words], CUES)
    assert context == assess(text + " pill loan bowl"[: 5 * words], CUES)
    assert 1 <= len(context.domains) <= 2
    assert 0 <= context.confidence <= 1
    assert context.risk in range(4)
    assert context.complexity in range(4)


@pytest.mark.slow
def test_assess_is_fast() -> None:
    """A request of 50 words with 200 cues takes well under a tenth of a millisecond (the best of five)."""
    cues = Cues(tuple((f"d{domain}", tuple(f"w{domain}x{word}" for word in range(30))) for domain in range(6)))
    text = "would you tell me how much of w1x3 goes with w1x7 on a plain day " * 3
    best = 1.0
    for _ in range(5):
        start = perf_counter()
        for _ in range(2000):
            assess(text, cues)
        best = min(best, (perf_counter() - start) / 2000)
    print(f"assess: {best * 1e6:.1f} µs a text of {len(text)} characters")
    assert in_time(best, 1e-4)


# --- in force ------------------------------------------------------------------------------------------------------


def test_sure_means_the_likeliest_domain_as_assessed() -> None:
    """At the threshold, an assessment is sure."""
    assessed = Context(("clinic", "bank"), 2, 1, 0.7)
    assert in_force(assessed, 0.7) == Context(("clinic",), 2, 1, 0.7)


def test_unsure_means_stricter() -> None:
    """One more of risk and complexity, and the second-likeliest domain, too."""
    assert in_force(Context(("clinic", "bank", "kitchen"), 2, 1, 0.69), 0.7) == Context(("clinic", "bank"), 3, 2, 0.69)


def test_stricter_ends_at_three() -> None:
    """The scales have a top."""
    assert in_force(Context(("clinic",), 3, 3, 0.0), 0.7) == Context(("clinic",), 3, 3, 0.0)


def test_a_failed_assessment_is_the_strictest() -> None:
    """Risk 3, complexity 3, every layer; no confidence."""
    assert in_force(Failure("deadline", "no answer"), 0.0) == Context((), 3, 3, 0.0, every_layer=True)


@given(
    st.builds(
        Context,
        domains=st.lists(st.sampled_from("abc"), min_size=1, max_size=2, unique=True).map(tuple),
        risk=st.integers(0, 3),
        complexity=st.integers(0, 3),
        confidence=st.floats(0, 1),
    ),
    st.floats(0, 1),
)
def test_in_force_is_never_laxer_than_assessed(assessed: Context, threshold: float) -> None:
    """Whatever the threshold, risk and complexity do not fall and the likeliest domain stays."""
    context = in_force(assessed, threshold)
    assert context.risk >= assessed.risk
    assert context.complexity >= assessed.complexity
    assert context.domains[0] == assessed.domains[0]

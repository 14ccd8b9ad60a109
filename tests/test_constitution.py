"""Which principles come into force, and what is found wrong in a constitution."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overseer.constitution import activate, flaws, focus, holds, stakeholders
from overseer.records import Condition, Constitution, Context, Cues, Layer, Principle, Rulebook, Select

DOMAINS = ("clinic", "bank", "theatre")
NO_CUES = Cues()
PLAIN = Context(("clinic",), 0, 0, 1.0)
FAILED = Context((), 3, 3, 0.0, every_layer=True)


def principle(id: str, tier: int = 3, *, text: str = "", stakeholder: str | None = None) -> Principle:
    return Principle(id, text or f"Text of {id}.", "Because.", tier, stakeholder=stakeholder)


def constitution(*layers: Layer, cues: Cues = NO_CUES, conflicts: tuple[tuple[str, str], ...] = ()) -> Constitution:
    return Constitution("test", layers, cues, DOMAINS, conflicts)


def ids(rulebook: Rulebook) -> list[str]:
    return [one.id for one in rulebook.principles]


BASE = Layer("base", None, (principle("p1", 1), principle("p2", 2), principle("p3", 3), principle("p4", 4)))

# --- activation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "active"),
    [
        (None, True),
        (Condition(), True),
        (Condition(("clinic",)), True),
        (Condition(("bank", "clinic")), True),
        (Condition(("bank",)), False),
        (Condition(risk_at_least=2), True),
        (Condition(risk_at_least=3), False),
        (Condition(complexity_at_least=1), True),
        (Condition(complexity_at_least=2), False),
        (Condition(("clinic",), 2, 1), True),
        (Condition(("clinic",), 3, 1), False),
        (Condition(("bank",), 2, 1), False),
    ],
)
def test_a_layer_is_active_when_all_its_keys_hold(condition: Condition | None, active: bool) -> None:
    """Keys are joined by and; several domains by or."""
    assert holds(condition, Context(("clinic",), 2, 1, 1.0)) is active


def test_layers_come_in_their_order() -> None:
    """Principles stand in the order of the layers, and the rulebook names the layers that are active."""
    rulebook = activate(
        constitution(
            Layer("first", None, (principle("b"), principle("a"))),
            Layer("off", Condition(("bank",)), (principle("x"),)),
            Layer("second", Condition(("clinic",)), (principle("c"),)),
        ),
        PLAIN,
    )
    assert ids(rulebook) == ["b", "a", "c"]
    assert rulebook.layers == ("first", "second")
    assert rulebook.sizes == (2, 1)


def test_a_failed_assessment_activates_every_layer() -> None:
    """Nothing is known of the task, so everything applies."""
    layers = [Layer(name, Condition((name,), 3, 3), (principle(f"of_{name}"),)) for name in DOMAINS]
    assert ids(activate(constitution(*layers), FAILED)) == ["of_clinic", "of_bank", "of_theatre"]


def test_stakeholders_see_the_common_principles_and_their_own() -> None:
    """An agent of nobody in particular sees only the common ones."""
    layer = Layer("l", None, (principle("all"), principle("h", stakeholder="h"), principle("u", stakeholder="u")))
    assert ids(activate(constitution(layer), PLAIN)) == ["all"]
    assert ids(activate(constitution(layer), PLAIN, "h")) == ["all", "h"]
    assert ids(activate(constitution(layer), PLAIN, "unknown")) == ["all"]


def test_replacing_keeps_id_place_and_stakeholder() -> None:
    """The new words stand where the old ones stood, and the replacement is on record."""
    loose = Layer("loose", None, replaces=(("p3", principle("other", 4, text="New.", stakeholder="x")),))
    rulebook = activate(constitution(BASE, loose), PLAIN)
    assert ids(rulebook) == ["p1", "p2", "p3", "p4"]
    assert rulebook.principles[2] == principle("p3", 4, text="New.")
    assert rulebook.settled == ("loose replaces p3",)
    assert rulebook.sizes == (4, 0)


def test_waiving_takes_out_and_is_on_record() -> None:
    """A waived principle is not in force, and no later layer brings it back."""
    rulebook = activate(constitution(BASE, Layer("l", None, waives=("p4",)), replace(BASE, name="again")), PLAIN)
    assert ids(rulebook) == ["p1", "p2", "p3"]
    assert rulebook.settled[0] == "l waives p4"


@pytest.mark.parametrize("id", ["p1", "p2"])
def test_the_higher_tiers_stand_whatever_a_layer_says(id: str) -> None:
    """Also in a constitution made by hand, tiers 1 and 2 are neither waived nor replaced; the attempt is on record."""
    layer = Layer("l", None, replaces=((id, principle(id, 4, text="Weak.")),), waives=(id,))
    rulebook = activate(constitution(BASE, layer), PLAIN)
    assert rulebook.principles == BASE.principles
    assert [f"may not {verb} {id}" in said for verb, said in zip(("replace", "waive"), rulebook.settled, strict=True)]


def test_a_principle_raised_to_tier_2_can_no_longer_be_waived() -> None:
    """What one layer makes stricter, a later one cannot drop."""
    rulebook = activate(
        constitution(
            BASE, Layer("up", None, replaces=(("p3", principle("p3", 2)),)), Layer("down", None, waives=("p3",))
        ),
        PLAIN,
    )
    assert rulebook.tier("p3") == 2


@pytest.mark.parametrize("context", [Context(("theatre", "clinic"), 1, 1, 0.5), FAILED], ids=["unsure", "failed"])
def test_doubt_never_loosens(context: Context) -> None:
    """A layer of a domain that may not be the task's brings its principles, but neither waives nor lowers a tier."""
    theatre = Layer(
        "stage",
        Condition(("theatre",)),
        (principle("extra"),),
        replaces=(("p3", principle("p3", 4, text="Looser.")),),
        waives=("p4",),
    )
    rulebook = activate(constitution(BASE, theatre), context)
    assert ids(rulebook) == ["p1", "p2", "p3", "p4", "extra"]
    assert rulebook.principles[2].text == "Text of p3."
    assert all("in doubt" in said for said in rulebook.settled)


def test_doubt_still_tightens() -> None:
    """In doubt, a replacement that does not lower the tier is honoured; and a layer that covers both domains waives."""
    strict = Layer("strict", Condition(("clinic",)), replaces=(("p4", principle("p4", 2, text="Stricter.")),))
    both = Layer("both", Condition(("clinic", "theatre")), waives=("p3",))
    rulebook = activate(constitution(BASE, strict, both), Context(("theatre", "clinic"), 1, 1, 0.5))
    assert ids(rulebook) == ["p1", "p2", "p4"]
    assert rulebook.principles[2].text == "Stricter."


def test_the_hash_is_over_what_binds() -> None:
    """Id, text, tier and stakeholder change it; reasons, exemplars and the layers' names do not."""
    one = principle("a", 3, stakeholder="h")

    def hash_of(said: Principle, name: str = "l") -> str:
        return activate(constitution(Layer(name, None, (said,))), PLAIN, said.stakeholder).hash

    same = replace(one, why="Other.", edge_cases=("x",), critique="c", revise="r", breaks=("b",), keeps=("k",))
    assert hash_of(one) == hash_of(same, "renamed")
    others = [
        replace(one, id="b"),
        replace(one, text="Other."),
        replace(one, tier=4),
        replace(one, stakeholder=None),
        replace(one, stakeholder="u"),
    ]
    assert len({hash_of(other) for other in (one, *others)}) == 6


def test_hashes_take_any_text() -> None:
    """Half a surrogate pair in a hand-made principle is hashed, not a crash."""
    assert activate(constitution(Layer("l", None, (principle("a", text="\ud800"),))), PLAIN).hash


# --- properties ----------------------------------------------------------------------------------------------------

_IDS = st.sampled_from([f"p{number}" for number in range(8)])
_PRINCIPLES = st.builds(
    Principle,
    id=_IDS,
    text=st.text(max_size=5),
    why=st.just("w"),
    tier=st.integers(1, 4),
    stakeholder=st.sampled_from([None, None, "h", "u"]),
)
_CONDITIONS = st.none() | st.builds(
    Condition,
    domains=st.lists(st.sampled_from(DOMAINS), max_size=2).map(tuple),
    risk_at_least=st.none() | st.integers(1, 3),
    complexity_at_least=st.none() | st.integers(1, 3),
)
_LAYERS = st.builds(
    Layer,
    name=st.sampled_from("abcdef"),
    active_when=_CONDITIONS,
    principles=st.lists(_PRINCIPLES, max_size=3).map(tuple),
    replaces=st.lists(st.tuples(_IDS, _PRINCIPLES), max_size=2).map(tuple),
    waives=st.lists(_IDS, max_size=2).map(tuple),
)
_CONSTITUTIONS = st.lists(_LAYERS, max_size=6).map(lambda layers: constitution(*layers))
_CONTEXTS = st.builds(
    Context,
    domains=st.lists(st.sampled_from(DOMAINS), max_size=2, unique=True).map(tuple),
    risk=st.integers(0, 3),
    complexity=st.integers(0, 3),
    confidence=st.floats(0, 1),
    every_layer=st.booleans(),
)
_STAKEHOLDERS = st.sampled_from([None, "h", "u", "nobody"])


@pytest.mark.slow
@given(_CONSTITUTIONS, _CONTEXTS, _STAKEHOLDERS)
def test_activation_is_idempotent(whole: Constitution, context: Context, stakeholder: str | None) -> None:
    """A rulebook taken for a constitution of one layer activates to itself; and the same input gives the same again."""
    rulebook = activate(whole, context, stakeholder)
    again = activate(constitution(Layer("settled", None, rulebook.principles)), context, stakeholder)
    assert (again.principles, again.hash, again.settled) == (rulebook.principles, rulebook.hash, ())
    assert activate(replace(whole), context, stakeholder) == rulebook


@pytest.mark.slow
@given(_CONSTITUTIONS, _CONTEXTS, _STAKEHOLDERS)
def test_layers_said_twice_hold_once(whole: Constitution, context: Context, stakeholder: str | None) -> None:
    """Repeating all the principles of the layers, without what they replace and waive, changes nothing in force."""
    repeated = tuple(Layer(f"{one.name}2", one.active_when, one.principles) for one in whole.layers)
    twice = activate(replace(whole, layers=(*whole.layers, *repeated)), context, stakeholder)
    assert twice.principles == activate(whole, context, stakeholder).principles


@pytest.mark.slow
@given(_CONSTITUTIONS, _CONTEXTS, _STAKEHOLDERS)
def test_every_rulebook_is_sound(whole: Constitution, context: Context, stakeholder: str | None) -> None:
    """Ids are unique, in the order in which the layers first bring them, fit the stakeholder, and sizes add up."""
    rulebook = activate(whole, context, stakeholder)
    order = [
        one.id
        for layer in whole.layers
        if holds(layer.active_when, context)
        for one in layer.principles
        if one.stakeholder in (None, stakeholder)
    ]
    places = [order.index(id) for id in ids(rulebook)]
    assert places == sorted(set(places))
    assert all(one.stakeholder in (None, stakeholder) for one in rulebook.principles)
    assert sum(rulebook.sizes) == len(rulebook.principles)
    assert len(rulebook.sizes) == len(rulebook.layers)


@pytest.mark.slow
@given(_CONSTITUTIONS, _CONTEXTS)
def test_no_first_or_second_tier_is_ever_lost(whole: Constitution, context: Context) -> None:
    """What a layer first brings at tier 1 or 2 stands to the end, in its own words."""
    first: dict[str, Principle] = {}
    for layer in whole.layers:
        if holds(layer.active_when, context):
            for one in layer.principles:
                if one.stakeholder is None:
                    first.setdefault(one.id, one)
    standing = {one.id: one for one in activate(whole, context).principles}
    assert all(standing[id] == one for id, one in first.items() if one.tier <= 2)


def _each_id_once(whole: Constitution) -> Constitution:
    seen: set[str] = set()
    layers = []
    for layer in whole.layers:
        fresh = tuple({one.id: one for one in layer.principles if one.id not in seen}.values())
        seen.update(one.id for one in fresh)
        layers.append(replace(layer, principles=fresh))
    return replace(whole, layers=tuple(layers))


@pytest.mark.slow
@given(_CONSTITUTIONS.map(_each_id_once), _CONTEXTS, st.sampled_from(DOMAINS))
def test_a_second_domain_only_adds(whole: Constitution, context: Context, second: str) -> None:
    """Where each id is brought once, taking a further domain into account loses no principle."""
    sure = replace(context, domains=context.domains[:1] or ("bank",), every_layer=False)
    unsure = replace(sure, domains=(sure.domains[0], second))
    before, after = activate(whole, sure), activate(whole, unsure)
    assert set(ids(before)) <= set(ids(after))


@pytest.mark.slow
@given(_CONSTITUTIONS)
def test_lint_is_total(whole: Constitution) -> None:
    """Whatever a constitution holds, its flaws are found without an exception, errors first."""
    severities = [flaw.severity for flaw in flaws(whole)]
    assert severities == sorted(severities)


# --- focus ---------------------------------------------------------------------------------------------------------

LAYERED = activate(
    constitution(
        Layer("one", None, (principle("a"), principle("b"))),
        Layer("settles", None, waives=("nothing",)),
        Layer("two", None, (principle("c"),)),
        Layer("three", None, (principle("d"), principle("e"))),
    ),
    PLAIN,
)


def test_focus_on_all_is_the_rulebook() -> None:
    """Every principle, each round."""
    assert focus(LAYERED, "all", "key", "task", 3) == LAYERED.principles


@pytest.mark.parametrize(("round_", "expected"), [(0, "ab"), (1, "abc"), (2, "abcde"), (9, "abcde")])
def test_escalating_adds_a_layer_each_round(round_: int, expected: str) -> None:
    """Layers that brought no principle are no step."""
    assert [one.id for one in focus(LAYERED, "escalating", "key", "task", round_)] == list(expected)


def test_sampling_draws_anew_each_round_and_repeats_by_key() -> None:
    """Equal key, task and round, equal draw; over many rounds every principle has its turn about equally often."""
    assert focus(LAYERED, 2, "k", "t", 0) == focus(LAYERED, 2, "k", "t", 0)
    drawn = [one.id for round_ in range(1000) for one in focus(LAYERED, 2, "k", "t", round_)]
    assert len(drawn) == 2000
    assert all(340 < drawn.count(id) < 460 for id in "abcde")
    assert focus(LAYERED, 2, "k", "t", 0) != focus(LAYERED, 2, "other", "t", 0) or focus(
        LAYERED, 2, "k", "u", 0
    ) != focus(LAYERED, 2, "k", "t", 0)


@pytest.mark.slow
@given(_CONSTITUTIONS, _CONTEXTS, st.sampled_from(["all", "escalating", 1, 3, 99]), st.integers(0, 5))
def test_focus_is_a_part_of_the_rulebook(whole: Constitution, context: Context, select: Select, round_: int) -> None:
    """In its order, never empty where there is any principle, and no more than was asked for."""
    rulebook = activate(whole, context)
    chosen = focus(rulebook, select, "key", "task", round_)
    assert chosen == tuple(one for one in rulebook.principles if one in chosen)
    assert bool(chosen) == bool(rulebook.principles)
    assert not isinstance(select, int) or len(chosen) == min(select, len(rulebook.principles))


# --- flaws ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("whole", "severity", "what"),
    [
        (constitution(), "error", "no principle at all"),
        (constitution(BASE, Layer("base", None, (principle("q"),))), "error", "two layers have this name"),
        (constitution(BASE, Layer("l", None, (principle("p1", 1),))), "error", "'p1' stands already in layer 'base'"),
        (constitution(BASE, Layer("l", None, (principle("q", text="TEXT  of p1."),))), "warning", "same as 'p1'"),
        (constitution(BASE, Layer("l", None, (principle("q", text="  "),))), "error", "empty text"),
        (constitution(BASE, Layer("l", None, (replace(principle("q"), why=""),))), "error", "empty why"),
        (constitution(BASE, Layer("l", None)), "warning", "the layer is empty"),
        (constitution(BASE, Layer("l", None, waives=("p1",))), "error", "cannot waive 'p1': tier 1 never yields"),
        (
            constitution(BASE, Layer("l", None, replaces=(("p2", principle("p2", 2)),))),
            "error",
            "cannot replace 'p2': tier 2 never yields",
        ),
        (constitution(Layer("l", None, waives=("p3",)), BASE), "error", "no layer before this one brings it"),
        (
            constitution(BASE, Layer("l", None, replaces=(("p3", principle("q")),))),
            "error",
            "a replacement keeps the id",
        ),
        (
            constitution(BASE, Layer("l", Condition(("kitchen",)), (principle("q"),))),
            "error",
            "unreachable: no cue and no `domains` names 'kitchen'",
        ),
        (
            constitution(BASE, Layer("l", Condition(("kitchen", "bank")), (principle("q"),))),
            "warning",
            "no cue and no `domains` names 'kitchen'",
        ),
        (
            constitution(BASE, Layer("l", Condition(risk_at_least=4), (principle("q"),))),
            "error",
            "unreachable: risk is 3 at most",
        ),
        (
            constitution(
                BASE,
                Layer("l", Condition(risk_at_least=3), (principle("q"),)),
                cues=Cues((("clinic", ("pill",)),), ((1, ("hot",)),)),
            ),
            "warning",
            "no cue raises risk to 3",
        ),
        (
            constitution(BASE, Layer("l", None, (principle("q"),)), Layer("m", None, waives=("q",))),
            "warning",
            "never in force",
        ),
        (
            constitution(Layer("l", Condition(("bank", "theatre")), (principle("q"),))),
            "error",
            "domain 'clinic' has no principle in force",
        ),
        (constitution(BASE, conflicts=(("p1", "zz"),)), "error", "a conflict of 'zz', which no layer brings"),
        (
            constitution(BASE, Layer("l", Condition(("clinik",)), (principle("q"),))),
            "error",
            "names 'clinik' (did you mean 'clinic'?)",
        ),
        (constitution(BASE, conflicts=(("p1", "p1"),)), "error", "with itself"),
        (
            constitution(BASE, Layer("l", None, (principle("q", 4),)), conflicts=(("p4", "q"),)),
            "warning",
            "conflict at equal tiers",
        ),
        (
            constitution(BASE, cues=Cues((("clinic", ("pill",)), ("bank", ("pill",))))),
            "warning",
            "the cue 'pill' speaks for 'clinic' and 'bank'",
        ),
        (constitution(BASE, cues=Cues((("clinic", ()),))), "warning", "no cue word tells domain 'clinic'"),
    ],
    ids=lambda value: value[:30].replace(" ", "_") if isinstance(value, str) else "",
)
def test_each_flaw_is_found(whole: Constitution, severity: str, what: str) -> None:
    """Each kind of flaw is told with its severity."""
    assert any(flaw.severity == severity and what in flaw.what for flaw in flaws(whole)), flaws(whole)


def test_a_sound_constitution_has_no_flaw() -> None:
    """Layers that can be reached, replaced and waived as they may: nothing is said."""
    whole = constitution(
        BASE,
        Layer("bank", Condition(("bank",), 2), (principle("q"),), (("p3", principle("p3", 3, text="New.")),), ("p4",)),
        cues=Cues((("bank", ("loan",)),), ((2, ("fraud",)),)),
        conflicts=(("p1", "p4"),),
    )
    assert flaws(whole) == ()


def test_stakeholders_are_named_in_order() -> None:
    """Those for whom some principle stands, in order of appearance."""
    whole = constitution(Layer("l", None, (principle("a", stakeholder="h"), principle("b", stakeholder="u"))))
    assert stakeholders(whole) == ("h", "u")

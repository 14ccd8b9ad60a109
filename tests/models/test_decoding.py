"""Decoding in batches of fixed shape: as transformers decodes a row alone, to the bit the same in any company."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_language_model import make_language_model

from overseer.models.decoding import Row, Shape, Written, chances, pick, weigh, write
from overseer.models.llama import ROOM, plain
from overseer.models.passes import Passes, Transformers, passes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("torch") is None or find_spec("transformers") is None, reason="torch or transformers is not installed"
    ),
]

ENDS = frozenset({1})
SHAPE = Shape(8, 32)
PROMPTS = tuple(tuple(5 + (7 * row * place + row) % 250 for place in range(3 + 3 * row)) for row in range(8))


def nobody(_: int) -> bool:
    return False


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(make_language_model(tmp_path_factory.mktemp("tiny"))).eval()


@pytest.fixture(params=["transformers", "plain"])
def model(network: Any, request: pytest.FixtureRequest) -> Passes:
    """The same weights, by transformers' own pass and by ours."""
    import torch

    with torch.inference_mode():
        found = Transformers(network) if request.param == "transformers" else plain(network)
    assert found is not None
    return found


def rows(temperature: float, *numbers: int, limit: int = 12) -> list[Row]:
    return [Row(PROMPTS[number], limit, temperature, f"row {number}") for number in numbers]


def test_greedy_is_what_transformers_generates(model: Passes, network: Any) -> None:
    """Padding on the left, masked, changes no token of a row that transformers decodes alone, unpadded."""
    import torch

    written = write(model, rows(0.0, *range(8)), SHAPE, ENDS, 0, nobody)
    for prompt, row in zip(PROMPTS, written, strict=True):
        ids = torch.tensor([prompt])
        alone = network.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
        assert row is not None
        told = alone[0, len(prompt) :].tolist()
        assert list(row.tokens) == [token for token in told if token != 1]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_company_changes_nothing(model: Passes, temperature: float) -> None:
    """A row alone, among others, in another place and order: the same tokens, drawn by its own key alone."""
    together = write(model, rows(temperature, *range(8)), SHAPE, ENDS, 0, nobody)
    backwards = write(model, rows(temperature, *reversed(range(8))), SHAPE, ENDS, 0, nobody)
    assert together == backwards[::-1]
    for number in range(8):
        assert write(model, rows(temperature, number), SHAPE, ENDS, 0, nobody) == [together[number]]
        assert write(model, rows(temperature, 5, number), SHAPE, ENDS, 0, nobody)[1] == together[number]


def test_a_row_hangs_on_no_place_in_its_batch_with_avx2_either() -> None:
    """MKL's kernels for AVX2 round by place unless they are told to be strict, which importing the package does."""
    code = """
import overseer, torch
torch.manual_seed(0)
for _ in range(20):
    batch, weight, order = torch.randn(37, 64), torch.randn(64, 64), torch.randperm(37)
    assert torch.equal((batch @ weight.T)[order], batch[order] @ weight.T)
"""
    alone = {name: value for name, value in os.environ.items() if name != "MKL_CBWR"}
    old = alone | {"MKL_ENABLE_INSTRUCTIONS": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=old, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_log_probabilities_are_those_of_a_full_pass(model: Passes, network: Any) -> None:
    """Against one unpadded pass without a cache over prompt and continuation: within 1e-4; and in any company alike."""
    import torch

    ways = [((9, 10, 11), (9, 12), (13,)) for _ in PROMPTS]
    weighed = weigh(model, PROMPTS, ways, SHAPE, 3, 0)
    for number, (prompt, told) in enumerate(zip(PROMPTS, weighed, strict=True)):
        assert told is not None
        for way, logprob in zip(ways[number], told, strict=True):
            with torch.inference_mode():
                likely = network(torch.tensor([[*prompt, *way]])).logits[0].double().log_softmax(1)
            full = sum(float(likely[len(prompt) - 1 + at, token]) for at, token in enumerate(way))
            assert logprob == pytest.approx(full, abs=1e-4)
        assert weigh(model, [prompt], [ways[number]], SHAPE, 3, 0) == [told]


def test_a_batch_may_grow_and_lose_rows(model: Passes, network: Any) -> None:
    """Over several times the room of a cache, rows dropped on the way: the logits of unpadded rows in one pass."""
    import torch

    wanted = torch.randint(2, 60, (3, 2 * ROOM + 9), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        state, prompts = model.begin(), torch.tensor([PROMPTS[0][:1]] * 3)
        tokens = torch.cat([prompts, wanted], dim=1)
        mask = torch.ones_like(tokens)
        places = torch.arange(tokens.shape[1])[None].expand(3, -1)
        state.through(tokens[:, :2], mask[:, :2], places[:, :2], 1)
        for at in range(2, tokens.shape[1]):
            if at == ROOM // 2:
                state.select(torch.tensor([2, 0]))
                tokens, mask, places = tokens[[2, 0]], mask[:2], places[:2]
            found = state.through(tokens[:, at : at + 1], mask[:, : at + 1], places[:, at : at + 1], 1)
        assert torch.allclose(found[:, -1], network(tokens).logits[:, -1], atol=1e-4)


def test_rows_end_by_themselves_at_their_limit_or_when_nobody_waits(model: Passes) -> None:
    """An end token is no part of the text; a limit is each row's own; a batch that nobody waits for stops."""
    (row,) = write(model, rows(0.0, 3), SHAPE, ENDS, 0, nobody)
    assert row is not None
    assert not row.ended
    third = row.tokens[2]
    before = row.tokens[: row.tokens.index(third)]
    assert write(model, rows(0.0, 3), SHAPE, frozenset({third}), 0, nobody) == [Written(before, True)]
    mixed = [*rows(0.0, 3, limit=2), *rows(0.0, 3, limit=5)]
    assert [len(each.tokens) for each in write(model, mixed, SHAPE, ENDS, 0, nobody) if each] == [2, 5]
    (left,) = write(model, rows(0.0, 3), SHAPE, ENDS, 0, lambda _: True)
    assert left is not None
    assert len(left.tokens) == 1


def test_what_is_no_number_is_no_text(network: Any) -> None:
    """Weights that compute no numbers give neither a text nor probabilities."""
    import copy

    import torch

    damaged = copy.deepcopy(network)
    with torch.no_grad():
        damaged.model.norm.weight.fill_(float("nan"))
    broken = Transformers(damaged)
    assert write(broken, rows(0.0, 1, 2), SHAPE, ENDS, 0, nobody) == [None, None]
    assert weigh(broken, PROMPTS[:1], [((3,), (4,))], SHAPE, 1, 0) == [None]


@pytest.mark.parametrize(
    "other",
    [
        {"attention_bias": True},
        {"num_key_value_heads": 1},
        {"hidden_act": "gelu"},
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_is_not_plain_goes_through_transformers(tmp_path: Path, other: dict[str, Any]) -> None:
    """Our own pass takes the plain Llama, and nothing that it would compute otherwise."""
    from transformers import AutoModelForCausalLM

    assert plain(AutoModelForCausalLM.from_pretrained(make_language_model(tmp_path, **other))) is None


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_adapters_go_through_transformers(tmp_path: Path) -> None:
    """Our own pass reads weights; what adapters add to them it would not see."""
    peft = pytest.importorskip("peft", reason="peft is not installed")
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(make_language_model(tmp_path))
    wrapped = peft.get_peft_model(model, peft.LoraConfig(target_modules=["q_proj"]))
    assert isinstance(passes(wrapped), Transformers)
    assert isinstance(passes(model), Transformers), "wrapping it has put the adapters into it"


def test_draws_follow_the_probabilities() -> None:
    """By hand: .5, .3, .2 are cut at .5 and .8; what has probability 0 is never drawn; 0 takes the likeliest."""
    import torch

    shares = torch.tensor([0.5, 0.0, 0.3, 0.2]).log()
    numbers = torch.tensor([0.0, 0.49, 0.51, 0.79, 0.81, 0.999999], dtype=torch.float64)
    ones = torch.ones(6, dtype=torch.float64)
    assert pick(shares.repeat(6, 1), ones, numbers).tolist() == [0, 0, 2, 2, 3, 3]
    assert pick(shares.repeat(6, 1), 0 * ones, numbers).tolist() == [0] * 6
    drawn = Counter(
        pick(shares.repeat(4000, 1), torch.ones(4000).double(), torch.from_numpy(chances("k", 4000))).tolist()
    )
    assert drawn[0] == pytest.approx(2000, abs=150)
    assert drawn[2] == pytest.approx(1200, abs=140)


def test_chances_hang_on_the_key() -> None:
    """The same for a key, longer streams go on where shorter ones end, other keys give others; all in [0, 1)."""
    assert np.array_equal(chances("a", 9), chances("a", 99)[:9])
    assert not np.array_equal(chances("a", 9), chances("b", 9))
    assert chances("a", 2)[0] == pytest.approx(float(chances("a", 1)[0]))
    assert ((chances("a", 9999) >= 0) & (chances("a", 9999) < 1)).all()

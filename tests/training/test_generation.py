"""Answers are sampled as the model says, with their log-probabilities, and end where they end."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from ppo_driver import EOS, PAD, prompts, tiny_llama

from overseer.models.blocks import pad_left
from overseer.training.generation import Generated, generate, generator, widen
from overseer.training.networks import read

PROMPTS = [prompt.tokens for prompt in prompts(48)]


def answers(chance: torch.Tensor | None, *, rows: int | None = None, temperature: float = 1.0) -> Generated:
    return generate(
        tiny_llama(), PROMPTS, chance, max_new_tokens=12, eos=EOS, pad=PAD, temperature=temperature, rows=rows
    )


def chances(seed: int = 0) -> torch.Tensor:
    return torch.rand((48, 12), generator=generator(seed, 0, "sampling"), dtype=torch.float64)


@pytest.mark.parametrize("temperature", [1.0, 1.5])
def test_log_probabilities_are_those_of_a_pass_without_a_cache(temperature: float) -> None:
    """At every token of rows of all lengths, alone and unpadded, at the temperature of sampling."""
    model, found = tiny_llama(), answers(chances(), temperature=temperature)
    lengths = found.mask.sum(1).tolist()
    assert len(set(lengths)) > 3, "rows that end at different times"
    for row, length in enumerate(lengths):
        whole = torch.tensor([[*PROMPTS[row], *found.tokens[row, :length].tolist()]])
        with torch.no_grad():
            logits = read(model, whole[:, :-1], torch.ones_like(whole[:, :-1]), length).logits[0] / temperature
        alone = logits.log_softmax(1).gather(1, whole[0, -length:, None])[:, 0]
        assert torch.allclose(found.logprobs[row, :length], alone, atol=1e-5)


def test_an_answer_ends_at_its_first_end_token() -> None:
    """Which belongs to it; after it there is padding, without mask or log-probability."""
    found = answers(chances())
    for tokens, mask, logprobs, finished in zip(
        found.tokens.tolist(), found.mask.tolist(), found.logprobs.tolist(), found.finished.tolist(), strict=True
    ):
        length = sum(mask)
        assert mask == [True] * length + [False] * (len(mask) - length)
        assert finished == (EOS in tokens[:length])
        assert EOS not in tokens[: length - 1]
        assert (length == 12) or tokens[length - 1] == EOS
        assert set(tokens[length:]) <= {PAD}
        assert not any(logprobs[length:])
    assert found.finished.any()
    assert not found.finished.all()


@pytest.mark.slow
def test_a_row_does_not_hang_on_its_neighbours() -> None:
    """Three prompts at a time give the same tokens as all at once."""
    whole, split = answers(chances()), answers(chances(), rows=3)
    assert torch.equal(whole.tokens, split.tokens)
    assert torch.equal(whole.mask, split.mask)
    assert torch.allclose(whole.logprobs, split.logprobs, atol=1e-5)


def test_without_chance_the_likeliest_token_is_taken() -> None:
    """Greedy answers, as transformers' own generation gives them."""
    model = tiny_llama()
    tokens, attention = pad_left(PROMPTS, PAD)
    theirs = model.generate(
        tokens, attention_mask=attention.long(), max_new_tokens=12, do_sample=False, eos_token_id=EOS, pad_token_id=PAD
    )[:, tokens.shape[1] :]
    found = answers(None)
    assert torch.equal(found.tokens, widen(theirs, found.tokens.shape[1], PAD))


def test_chance_hangs_on_seed_update_and_purpose_alone() -> None:
    """The same three give the same draws, each changed gives others."""

    def drawn(*key: object) -> list[int]:
        return torch.randint(10**6, (4,), generator=generator(*key)).tolist()  # type: ignore[arg-type]

    assert drawn(1, 2, "sampling") == drawn(1, 2, "sampling")
    assert len({tuple(drawn(*key)) for key in ((1, 2, "a"), (2, 2, "a"), (1, 3, "a"), (1, 2, "b"), (12, 2, "a"))}) == 5

"""PPO in small: a Llama of a few thousand weights over 24 tokens, prompts, rewards that anyone can compute."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from overseer.training.generation import Prompt
from overseer.training.networks import ValueModel
from overseer.training.ppo import PpoConfig, Trained, train_ppo
from overseer.training.rewards import Rollouts

# Products this small are slower, not faster, on several threads.
torch.set_num_threads(1)

PAD, EOS, WORDS = 0, 1, 24
FAVOURED = 5
"""The token that `favours` likes."""


def tiny_llama(seed: int = 0, kind: str = "LlamaForCausalLM", **settings: Any) -> Any:
    """A Llama with random weights: 16 wide, one layer."""
    import transformers

    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        **{
            "vocab_size": WORDS,
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": 64,
            "tie_word_embeddings": True,
            "initializer_range": 0.3,
            "pad_token_id": PAD,
            "eos_token_id": EOS,
            "bos_token_id": None,
            **settings,
        }
    )
    if kind == "LlamaForSequenceClassification":
        config.num_labels = 1
    return getattr(transformers, kind)(config).eval()


def tiny_value(seed: int = 1) -> ValueModel:
    """A value model on a trunk of its own."""
    return ValueModel(tiny_llama(seed, "LlamaModel"))


def prompts(count: int = 12) -> tuple[Prompt, ...]:
    """Prompts of one to four tokens."""
    return tuple(
        Prompt(f"t{index}", tuple(2 + (index * 7 + place) % (WORDS - 2) for place in range(1 + index % 4)), f"p{index}")
        for index in range(count)
    )


def decode(tokens: Sequence[int]) -> str:
    """Each token a word; special ones are none."""
    return " ".join(f"w{token}" for token in tokens if token not in (PAD, EOS))


def favours(rollouts: Rollouts) -> list[float]:
    """The share of a response's tokens that is the favoured one."""
    return [response.count(FAVOURED) / len(response) for response in rollouts.responses]


def small(**settings: Any) -> PpoConfig:
    """Settings under which a run of a few rounds takes a tenth of a second or two."""
    return PpoConfig(
        **{
            "updates": 4,
            "batch": 8,
            "minibatch": 4,
            "max_new_tokens": 6,
            "value_only_updates": 1,
            "learning_rate": 3e-3,
            "value_learning_rate": 3e-3,
            "snapshot_every": 1,
            **settings,
        }
    )


def run(
    config: PpoConfig,
    *,
    folder: Path | None = None,
    shared: bool = False,
    reward: Callable[[Rollouts], Any] = favours,
    policy: Any = None,
    asked: Sequence[Prompt] | None = None,
    decode: Callable[[Sequence[int]], str] = decode,
    **more: Any,
) -> Trained:
    """Train the small policy; the same arguments give the same run."""
    return train_ppo(
        config,
        tiny_llama() if policy is None else policy,
        prompts() if asked is None else asked,
        reward,
        eos=EOS,
        pad=PAD,
        value=None if shared else tiny_value(),
        decode=decode,
        folder=folder,
        **more,
    )


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    """All that was trained, by name."""
    return {name: one.detach().clone() for name, one in trained.network.named_parameters()}


def run_until_killed(folder: str, event: str, count: int, updates: int) -> None:
    """In a process of its own: the same run, killed by SIGKILL at the so-manieth time that it comes to this.

    `event`: `reward`, or one of the interpreter's audit events, of which `os.rename` puts a snapshot in place, `open`
    opens its files and those of the metrics.
    """
    import sys

    torch.set_num_threads(1)
    seen = 0

    def kill_at(name: str) -> None:
        nonlocal seen
        if name == event:
            seen += 1
            if seen == count:
                os.kill(os.getpid(), signal.SIGKILL)

    def reward(rollouts: Rollouts) -> list[float]:
        kill_at("reward")
        return favours(rollouts)

    if event != "reward":
        sys.addaudithook(lambda name, arguments: kill_at(name) if _inside(name, arguments, folder) else None)
    run(small(updates=updates), folder=Path(folder), reward=reward)


def _inside(name: str, arguments: tuple[Any, ...], folder: str) -> bool:
    return name in ("open", "os.rename") and str(arguments[0]).startswith(folder)


def as_one_of_two(rank: int, port: int) -> None:
    """Make this process one of two that train together on the processor, on a thread each."""
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
    }


def run_beside(rank: int, port: int, settings: dict[str, Any], out: str, fails: int | None) -> None:
    """In a process of its own: one of two that train together. Its weights are written to `out`, its error beside.

    `fails`: the reward raises in this process.
    """
    from safetensors.torch import save_file

    from overseer.errors import OverseerError

    as_one_of_two(rank, port)

    def reward(rollouts: Rollouts) -> list[float]:
        if rank == fails:
            raise KeyError("lost")
        return favours(rollouts)

    folder = Path(out)
    try:
        # Where models start is the first process's affair: the second's weights are other ones until then.
        done = run(small(**settings), policy=tiny_llama(rank), reward=reward, folder=folder / "run")
    except OverseerError as error:
        (folder / f"error{rank}").write_text(str(error), encoding="utf-8")
    else:
        save_file(weights(done), folder / f"weights{rank}.safetensors")
    torch.distributed.destroy_process_group()

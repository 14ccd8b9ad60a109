"""The networks PPO trains: a policy and its value head, on a trunk of their own or on the policy's.

Read by `ppo`. A value head says what is still to come of a rollout, before each of its tokens. Knows neither rewards
nor losses.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from overseer.errors import ConfigError
from overseer.models.blocks import positions


class ValueModel(nn.Module):
    """A value head on a trunk of its own: any transformers model without a head, and one linear layer with a bias."""

    def __init__(self, trunk: Any, *, head: Tensor | None = None, bias: float = 0.0) -> None:
        """`head` [width] is where the linear layer starts; None: at zero, as for a trunk that never saw a reward."""
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(trunk.config.hidden_size, 1)
        with torch.no_grad():
            self.head.bias.fill_(bias)
            self.head.weight.copy_(torch.zeros_like(self.head.weight) if head is None else head.reshape(1, -1))

    def forward(self, tokens: Tensor, attention: Tensor, time: int) -> Tensor:
        """Values before each of the last `time` tokens' successors: [batch, time]."""
        out = self.trunk(
            input_ids=tokens, attention_mask=attention.long(), position_ids=positions(attention), use_cache=False
        )
        return self.head(out.last_hidden_state[:, -time:])[..., 0].float()  # type: ignore[no-any-return]


def value_from_reward(model: Any, *, mean: float = 0.0, sd: float = 1.0) -> ValueModel:
    """A value model that starts as the reward model, in units of rewards shifted by `mean` and divided by `sd`.

    `model` is a transformers sequence classifier with one label; it is copied, not changed.
    """
    score = getattr(model, "score", None)
    if not isinstance(score, nn.Linear) or score.out_features != 1 or sd <= 0:
        raise ConfigError("value model: needs a sequence classifier with one label and a standard deviation above 0")
    trunk = copy.deepcopy(model.base_model)
    return ValueModel(trunk, head=score.weight.detach().clone() / sd, bias=-mean / sd)


class PolicyAndValue(nn.Module):
    """What PPO trains. `value` None: the head sits on the policy's own last hidden state, and starts at zero."""

    def __init__(self, policy: Any, value: ValueModel | None = None) -> None:
        super().__init__()
        self.policy = policy
        self.value = value
        self.head = None if value is not None else nn.Linear(policy.config.hidden_size, 1)
        if self.head is not None:
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)

    def logits(self, tokens: Tensor, attention: Tensor, time: int) -> Tensor:
        """What the policy would write at each of the last `time` places and after: [batch, time, vocabulary]."""
        return read(self.policy, tokens, attention, time).logits  # type: ignore[no-any-return]

    def both(self, tokens: Tensor, attention: Tensor, time: int) -> tuple[Tensor, Tensor]:
        """Logits [batch, time, vocabulary] and values [batch, time], at the same places."""
        if self.value is not None:
            return self.logits(tokens, attention, time), self.value(tokens, attention, time)
        assert self.head is not None
        out = read(self.policy, tokens, attention, time, hidden=True)
        return out.logits, self.head(out.hidden_states[-1][:, -time:])[..., 0].float()

    def values(self, tokens: Tensor, attention: Tensor, time: int) -> Tensor:
        """Values alone, [batch, time]; a shared trunk learns nothing by them: its head does."""
        if self.value is not None:
            return self.value(tokens, attention, time)  # type: ignore[no-any-return]
        assert self.head is not None
        with torch.no_grad():
            out = read(self.policy, tokens, attention, time, hidden=True)
        return self.head(out.hidden_states[-1][:, -time:])[..., 0].float()  # type: ignore[no-any-return]

    def value_parameters(self) -> list[nn.Parameter]:
        """What only the values hang on."""
        module = self.value if self.value is not None else self.head
        assert module is not None
        return [parameter for parameter in module.parameters() if parameter.requires_grad]

    def policy_parameters(self) -> list[nn.Parameter]:
        """What the policy hangs on (and with a shared trunk the values, too)."""
        return [parameter for parameter in self.policy.parameters() if parameter.requires_grad]


def read(model: Any, tokens: Tensor, attention: Tensor, time: int, *, hidden: bool = False) -> Any:
    """One pass without a cache; logits of the last `time` places alone, which saves most of a large vocabulary's."""
    return model(
        input_ids=tokens,
        attention_mask=attention.long(),
        position_ids=positions(attention),
        use_cache=False,
        logits_to_keep=time,
        output_hidden_states=hidden,
    )


def checkpointed(model: Any) -> None:
    """Let a transformers model compute a layer's activations again in the backward pass, while in training mode."""
    # Renamed in transformers 5.23, where the older name warns.
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def without_dropout(module: nn.Module) -> None:
    """Switch dropout off for good: a ratio of probabilities under two random masks would mean nothing."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        for name, held in vars(part).items():  # models of transformers keep shares that they drop by hand
            if isinstance(held, float) and "drop" in name:
                setattr(part, name, 0.0)

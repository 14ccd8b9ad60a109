"""Models: text in, text out. The seam to whatever writes text, and the one table of who provides it.

On the walk a `Prompt` goes in and a `Completion` comes out, or a `Failure`: an expected failure is a value. A model
must not know requests, verdicts or rules; `reviewers.model` stands between.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Protocol

from overseer.errors import BackendMissing, ConfigError
from overseer.prompts import Finish, Prompt
from overseer.records import Failure, Usage


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote, how it came to an end, and what that cost."""

    text: str
    finish: Finish
    usage: Usage = field(default_factory=Usage)


class Model(Protocol):
    """Writes text. Raises only for bugs: what a server, a network or a limit does is a `Failure`."""

    async def complete(self, prompt: Prompt) -> Completion | Failure:
        """What the model writes after these messages."""
        ...


Loader = Callable[[str, Mapping[str, object], Mapping[str, str], str], Model]
"""From a model's name, its options, the environment (keys alone are read there) and where the YAML says so."""


def _openai(name: str, options: Mapping[str, object], environment: Mapping[str, str], where: str) -> Model:
    try:
        from overseer.models.openai import load as load_openai
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        raise BackendMissing(f"{where}.model: openai/{name} needs aiohttp: pip install 'overseer[openai]'") from None
    return load_openai(name, options, environment, where)


PROVIDERS: Mapping[str, Loader] = {"openai": _openai}
"""Who writes text, by the first part of a model string. A backend is imported when its loader is called, not before."""


def load(
    model: str,
    options: Mapping[str, object],
    where: str,
    environment: Mapping[str, str] = os.environ,
) -> Model:
    """The model that a string such as `openai/NAME` means, with the provider's own options.

    `where` begins each message, e.g. `hierarchies/x.yaml: agents.lead`. Raises `ConfigError` with every problem of the
    options, or for a provider that is not known, and `BackendMissing` where its extra is not installed.
    """
    provider, slash, name = model.partition("/")
    loader = PROVIDERS.get(provider)
    if loader is None:
        near = get_close_matches(provider, PROVIDERS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"models are provided by: {', '.join(sorted(PROVIDERS))}"
        raise ConfigError(f"{where}.model: unknown provider {provider!r} ({hint})")
    if not slash or not name:
        raise ConfigError(f"{where}.model: {model!r} names no model (write {provider}/NAME)")
    return loader(name, options, environment, where)

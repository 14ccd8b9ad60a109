"""Models: text in, text out. The seam to whatever writes text, and the one table of who provides it.

On the walk a `Prompt` goes in and a `Completion` comes out, or a `Failure`: an expected failure is a value. A model
must not know requests, verdicts or rules; `reviewers.model` stands between.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping, MutableMapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ValidationError

from overseer.errors import BackendMissing, ConfigError
from overseer.prompts import Choice, Dialect, Finish, Prompt
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


@dataclass(frozen=True, slots=True)
class Chosen:
    """A whole message with the likeliest of a choice's words, and how likely that one is, or one alike, 0–1."""

    completion: Completion
    probability: float


@runtime_checkable
class Weighs(Protocol):
    """A model whose probabilities can be read. `dialect`: the one that it was trained in, None where nobody says."""

    dialect: Dialect | None

    async def complete(self, prompt: Prompt) -> Completion | Failure: ...

    async def choose(self, prompt: Prompt, choice: Choice, temperature: float) -> Chosen | Failure:
        """The likeliest word of a choice; log-probabilities are divided by the temperature first."""
        ...


@dataclass(frozen=True, slots=True)
class Site:
    """Where a model is named: `where` begins each message, e.g. `hierarchies/x.yaml: agents.lead`.

    Keys are read from the `environment` alone. Folders are found from `beside`. `loaded` holds what agents share.
    """

    where: str
    environment: Mapping[str, str]
    beside: Path
    loaded: MutableMapping[Hashable, Any]


Loader = Callable[[str, Mapping[str, object], Site], Model]
"""From a model's name, its options, and where it is named."""


def _openai(name: str, options: Mapping[str, object], site: Site) -> Model:
    try:
        from overseer.models.openai import load as load_openai
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        raise BackendMissing(
            f"{site.where}.model: openai/{name} needs aiohttp: pip install 'overseer[openai]'"
        ) from None
    return load_openai(name, options, site.environment, site.where)


def _local(provider: str) -> Loader:
    def load_local(name: str, options: Mapping[str, object], site: Site) -> Model:
        from overseer.models.local import load as load_weights

        return load_weights(f"{provider}/{name}", options, site)

    return load_local


PROVIDERS: Mapping[str, Loader] = {"openai": _openai, "hf": _local("hf"), "town": _local("town")}
"""Who writes text, by the first part of a model string. A backend is imported when its loader is called, not before."""


def load(
    model: str,
    options: Mapping[str, object],
    where: str,
    environment: Mapping[str, str] = os.environ,
    beside: Path = Path(),
    loaded: MutableMapping[Hashable, Any] | None = None,
) -> Model:
    """The model that a string such as `openai/NAME` means, with the provider's own options.

    `where`, `environment`, `beside` and `loaded` are those of a `Site`. Raises `ConfigError` with every problem of the
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
    return loader(name, options, Site(where, environment, beside, {} if loaded is None else loaded))


def option_problems(error: ValidationError, options: type[BaseModel], where: str) -> list[str]:
    """What is wrong with a provider's options, one line each, with the key that may have been meant."""
    return [_problem(where, detail["loc"], detail["msg"], list(options.model_fields)) for detail in error.errors()]


def _problem(where: str, path: tuple[int | str, ...], message: str, known: list[str]) -> str:
    key = str(path[0]) if path else ""
    if key not in known:
        near = get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        return f"{where}.options.{key}: unknown key ({hint})"
    return f"{where}.options.{'.'.join(str(part) for part in path)}: {message.removeprefix('Value error, ')}"

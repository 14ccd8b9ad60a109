"""Models whose weights lie on this machine: `hf/PATH` and `town/…`. Text in, text out, in batches of whatever waits.

Agents with the same weights share one loaded copy, and one thread, on which everything that touches them runs. A
request's text hangs on the weights, the prompt, the options and the request's own key, never on what shares its batch
(`decoding`). Greedy where the temperature is 0; else each token is drawn by a stream of numbers that the seed and the
request's key give.

Must not know what is asked or why.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, MutableMapping, Sequence
from math import exp
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from overseer.errors import ConfigError, Malformed
from overseer.models import Chosen, Completion, Site, option_problems
from overseer.models.decoding import Tokens
from overseer.models.folders import locate, said
from overseer.models.weights import Computing, Job, Weights, require_backend
from overseer.prompts import Choice, Dialect, Prompt
from overseer.records import Failure, Usage

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)


class Options(BaseModel):
    """What a hierarchy may say of an `hf/PATH` or `town/…` agent, beside what `reviewers.model` reads."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    seed: int = 0
    """Another seed, other texts, where the temperature is above 0."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Numbers that the model computes in."""
    device: Annotated[str, Field(pattern=r"^(cpu|mps|cuda(:[0-9]{1,2})?)$")] = "cpu"
    """`cpu`, `cuda`, `cuda:1`, `mps`. Never chosen by itself: on another device come other texts."""
    rows: Annotated[int, Field(ge=1, le=4096)] = 16
    """Requests in a batch at most, and at all: fewer are filled up, so that every batch computes alike."""
    max_batch_tokens: Annotated[int, Field(ge=64)] = 16_384
    """Tokens that a batch may come to, prompts and replies; fewer rows where that many would not fit."""


class LocalModel:
    """Writes with weights on this machine, and says how likely it holds each of a few verdicts."""

    def __init__(self, weights: Weights, options: Options, dialect: Dialect | None) -> None:
        self.weights = weights
        self.options = options
        self.dialect = dialect

    async def complete(self, prompt: Prompt) -> Completion | Failure:
        """What the model writes after these messages."""
        return await self._complete(prompt, "", perf_counter())

    async def choose(self, prompt: Prompt, choice: Choice, temperature: float) -> Chosen | Failure:
        """The likeliest of a choice's words, in a whole message, and how sure of it the model is."""
        began = perf_counter()
        try:
            context, continuations = self._ways(prompt, choice)
        except Malformed as error:
            return Failure("refused", str(error))
        done = await self.weights.do(Job(context, continuations))
        if isinstance(done, Failure):
            return done
        shares = softmax([logprob / temperature for logprob in done.logprobs])
        best = likeliest(choice, shares)
        said = choice.before + choice.words[best]
        completion: Completion | Failure
        if choice.after is None:
            completion = await self._complete(prompt, said, began)
        else:
            usage = Usage(tokens_in=len(context), tokens_out=len(continuations[best]), seconds=perf_counter() - began)
            completion = Completion(said + choice.after, "stop", usage)
        return completion if isinstance(completion, Failure) else Chosen(completion, sureness(choice, shares, best))

    async def _complete(self, prompt: Prompt, begun: str, began: float) -> Completion | Failure:
        try:
            tokens = self.weights.chat.read(prompt.messages, begun)
        except Malformed as error:
            return Failure("refused", str(error))
        key = f"{self.options.seed}/{prompt.key}"
        temperature = 0.0 if begun else prompt.temperature
        done = await self.weights.do(Job(tokens, (), prompt.max_tokens, temperature, key))
        if isinstance(done, Failure):
            return done
        usage = Usage(tokens_in=len(tokens), tokens_out=len(done.tokens) + done.ended, seconds=perf_counter() - began)
        text = begun + self.weights.chat.text(done.tokens)
        return Completion(text, "stop" if done.ended else "length", usage)

    def _ways(self, prompt: Prompt, choice: Choice) -> tuple[Tokens, tuple[Tokens, ...]]:
        """What a choice's messages have in common, prompt included, and how each goes on: as tokens.

        Read whole and then parted, so that each is made of the tokens that the model would write it in.
        """
        chat = self.weights.chat
        end = chat.ends[:1] if choice.after is not None else ()
        begun = [choice.before + word + (choice.after or "") for word in choice.words]
        ways = [(*way, *end) for way in chat.read_all(prompt.messages, begun)]
        same = 0
        while all(len(way) > same + 1 and way[same] == ways[0][same] for way in ways):
            same += 1
        return ways[0][:same], tuple(way[same:] for way in ways)


def likeliest(choice: Choice, shares: Sequence[float]) -> int:
    """The place of the likeliest word, the last of equals; a guarded one only with more than half."""
    *_, second, first = sorted(range(len(shares)), key=lambda at: (shares[at], at))
    return second if choice.words[first] == choice.guarded and shares[first] <= 0.5 else first


def sureness(choice: Choice, shares: Sequence[float], best: int) -> float:
    """The share of the word at `best`, and of those that say alike."""
    said = choice.words[best]
    alike = choice.alike if said in choice.alike else (said,)
    return min(1.0, sum(share for word, share in zip(choice.words, shares, strict=True) if word in alike))


def softmax(logprobs: Sequence[float]) -> list[float]:
    """Shares that add up to 1."""
    highest = max(logprobs)
    parts = [exp(each - highest) for each in logprobs]
    return [part / sum(parts) for part in parts]


# --- loaded --------------------------------------------------------------------------------------------------------


def load(model: str, options: Mapping[str, object], site: Site) -> LocalModel:
    """The model that `hf/PATH`, `town/PATH` or `town/NAME` means. Raises `ConfigError` with every problem found."""
    problems: list[str] = []
    checked = Options()
    try:
        checked = Options.model_validate(dict(options))
    except ValidationError as error:
        problems += option_problems(error, Options, site.where)
    try:
        folder = locate(model, site.beside)
        dialect = _dialect(folder, model)
        require_backend(model, site.where)
        if not problems:
            return LocalModel(_shared(model, folder, checked, site.loaded), checked, dialect)
    except ConfigError as error:
        problems += [f"{site.where}.model: {problem}" for problem in error.problems]
    raise ConfigError(problems)


def _shared(model: str, folder: Path, options: Options, loaded: MutableMapping[Hashable, Any]) -> Weights:
    """One copy for all agents that compute alike; the seed is each agent's own."""
    computing = Computing(options.dtype, options.device, options.rows, options.max_batch_tokens)
    key = (folder.resolve(), computing)
    if key not in loaded:
        loaded[key] = Weights(model, folder, computing)
    weights: Weights = loaded[key]
    return weights


def _dialect(folder: Path, model: str) -> Dialect | None:
    """The dialect that the model was trained in, where its folder says so."""
    value = said(folder, model).get("dialect")
    for known in DIALECTS:
        if value == known:
            return known
    if value is not None:
        raise ConfigError(f"{model}: overseer.json: dialect: {value!r:.40} is none of {', '.join(DIALECTS)}")
    return None

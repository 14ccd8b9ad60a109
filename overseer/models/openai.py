"""Any OpenAI-compatible server as a `Model`: one POST to `BASE_URL/chat/completions`, whole or a `Failure`.

Retries what the transport did (429, 408, 5xx, resets, refused connections), never what a model said: drawing again
until a reply pleases is best-of-n for whoever attacks it. Redirects are not followed, a stream is not asked for, no
more than `MAX_BODY` decoded bytes are read, and the key appears in no message, value or record.

Must not know what is asked or why; must not raise for anything a server does.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Annotated, Literal
from urllib.parse import urlsplit

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

from overseer.errors import ConfigError, Malformed
from overseer.models import Completion, option_problems
from overseer.models.pacing import Pace, backoff, retry_after
from overseer.prompts import Finish, Prompt
from overseer.records import Failure, Usage
from overseer.strict_json import load_json

MAX_ATTEMPTS = 6
"""Requests that one call may make."""
MAX_BODY = 2 * 1024 * 1024
"""Bytes of an answer that are read, on the wire and decoded."""
CONNECT_SECONDS = 10.0

_AGAIN = frozenset({408, 429, 500, 502, 503, 504, 529})
_OURS = ("model", "messages", "max_tokens", "max_completion_tokens", "temperature", "stream", "n")
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")


class Options(BaseModel):
    """What a hierarchy may say of an `openai/NAME` agent, beside what `reviewers.model` reads."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    base_url: str
    """Where the server is, with its version: `http://localhost:8000/v1`. Never guessed: drafts are sent there."""
    key_env: Annotated[str, Field(min_length=1)] | None = None
    """The environment variable that holds the key; null: none is sent."""
    timeout: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] = 120.0
    """Seconds for a call, all its attempts and waits together."""
    concurrency: Annotated[int, Field(ge=1, le=4096)] = 16
    """Calls in flight at most; lowered by itself while the server answers 429."""
    backoff: Annotated[float, Field(gt=0, le=30, allow_inf_nan=False)] = 0.5
    """Seconds before the second attempt, about; doubled for each further one."""
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The name under which the server takes the token limit."""
    body: dict[str, JsonValue] = {}
    """Further fields of the request, as the server defines them: `{chat_template_kwargs: {enable_thinking: false}}`."""
    price_in: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Price of a million tokens read; `price_out`: of a million written. Any currency, one for all agents."""
    price_out: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    @field_validator("base_url")
    @classmethod
    def _is_a_plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("write an address such as http://localhost:8000/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("an address without user, password, query or fragment; name the key's variable in key_env")
        return url.rstrip("/")

    @field_validator("body")
    @classmethod
    def _leaves_ours_alone(cls, body: dict[str, JsonValue]) -> dict[str, JsonValue]:
        taken = [key for key in body if key in _OURS]
        if taken:
            raise ValueError(f"{', '.join(taken)}: set elsewhere, not in body")
        return body


def load(name: str, options: Mapping[str, object], environment: Mapping[str, str], where: str) -> OpenAIModel:
    """The model of this name on the server that the options say. Raises `ConfigError` with every problem found."""
    try:
        checked = Options.model_validate(dict(options))
    except ValidationError as error:
        raise ConfigError(option_problems(error, Options, where)) from None
    key = None
    if checked.key_env is not None:
        key = environment.get(checked.key_env, "").strip()
        if not key:
            raise ConfigError(
                f"{where}.options.key_env: the environment variable {checked.key_env} is not set (export it)"
            )
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(
                f"{where}.options.key_env: {checked.key_env} holds characters that no key has (set it again)"
            )
    return OpenAIModel(name, checked, key)


@dataclass(frozen=True, slots=True)
class _Again:
    """The transport failed: what happened, and how many seconds the server asks to be left alone."""

    detail: str
    asked: float | None = None


class OpenAIModel:
    """A model on an OpenAI-compatible server. Connections are kept while calls are in flight, and none afterwards."""

    def __init__(self, name: str, options: Options, key: str | None) -> None:
        self.name = name
        self.options = options
        self.pace = Pace(options.concurrency)
        self._key = key
        self._session: aiohttp.ClientSession | None = None
        self._calls = 0

    async def complete(self, prompt: Prompt) -> Completion | Failure:
        """What the model writes. Attempts, waits for a place and waits between attempts share one deadline."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        body = self._body(prompt)
        try:
            async with asyncio.timeout(self.options.timeout), self._connections() as session:
                completion = await self._attempts(session, body, begun + self.options.timeout)
        except TimeoutError:
            return Failure("deadline", f"no answer within {self.options.timeout:g} s")
        if isinstance(completion, Failure):
            return completion
        return replace(completion, usage=replace(completion.usage, seconds=clock() - begun))

    async def _attempts(self, session: aiohttp.ClientSession, body: bytes, deadline: float) -> Completion | Failure:
        clock = asyncio.get_running_loop().time
        call = sha256(body).hexdigest()
        attempt = 1
        while isinstance(outcome := await self._paced(session, body), _Again):
            wait = backoff(self.options.backoff, attempt, call, outcome.asked)
            if attempt == MAX_ATTEMPTS or clock() + wait >= deadline:
                return Failure("transport", f"{outcome.detail} (attempts: {attempt})")
            await asyncio.sleep(wait)
            attempt += 1
        if isinstance(outcome, Failure):
            return outcome
        return replace(outcome, usage=replace(outcome.usage, attempts=attempt))

    async def _paced(self, session: aiohttp.ClientSession, body: bytes) -> Completion | Failure | _Again:
        epoch = await self.pace.enter()
        try:
            status, outcome = await self._post(session, body)
            if status == 429:
                self.pace.refused(epoch)
            elif status == 200:
                self.pace.answered()
        finally:
            self.pace.leave()
        return outcome

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> tuple[int, Completion | Failure | _Again]:
        """One request: its HTTP status (0: none came) and what came of it."""
        url = f"{self.options.base_url}/chat/completions"
        try:
            async with session.post(url, data=body, headers=self._headers(), allow_redirects=False) as response:
                return response.status, await self._outcome(response)
        except aiohttp.ClientSSLError as error:  # a certificate does not heal within a call
            return 0, Failure("transport", f"no trusted connection ({type(error).__name__})")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return 0, _Again(f"no whole answer ({type(error).__name__})")

    async def _outcome(self, response: aiohttp.ClientResponse) -> Completion | Failure | _Again:
        status = response.status
        if status in _AGAIN:
            return _Again(f"HTTP {status}", retry_after(response.headers.get("Retry-After"), time.time()))
        try:
            answer = await _read(response)
            if status == 200:
                return self._completion(answer)
            return Failure("refused", f"HTTP {status}{self._error_code(answer)}{_remedy(status)}")
        except Malformed as error:
            kind: Literal["malformed", "refused"] = "malformed" if status == 200 else "refused"
            return Failure(kind, f"HTTP {status}: {error}{_remedy(status)}")

    def _completion(self, answer: str) -> Completion | Failure:
        """The one choice of a chat completion. The envelope may hold more than is read; what is read must be right."""
        envelope = _json(answer)
        choices = envelope.get("choices") if isinstance(envelope, dict) else None
        choice = choices[0] if isinstance(choices, list) and len(choices) == 1 else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(envelope, dict) or not isinstance(choice, dict) or not isinstance(message, dict):
            raise Malformed("not a chat completion with one choice")
        if choice.get("finish_reason") == "content_filter" or message.get("refusal"):
            return Failure("refused", "the server filtered the answer")
        text = message.get("content")
        if not isinstance(text, str):
            raise Malformed("a choice without text")
        if self._key is not None and self._key in text:
            raise Malformed("the answer holds the key")
        reasons: dict[object, Finish] = {"stop": "stop", "length": "length"}
        reason = choice.get("finish_reason")
        finish = reasons.get(reason, "other") if isinstance(reason, str) and not message.get("tool_calls") else "other"
        return Completion(text, finish, self._usage(envelope.get("usage")))

    def _usage(self, usage: object) -> Usage:
        counts = usage if isinstance(usage, dict) else {}
        tokens_in, tokens_out = (_count(counts.get(key)) for key in ("prompt_tokens", "completion_tokens"))
        cost = (tokens_in * self.options.price_in + tokens_out * self.options.price_out) / 1e6
        return Usage(tokens_in=tokens_in, tokens_out=tokens_out, cost=cost)

    def _error_code(self, answer: str) -> str:
        """The code or type of an error, if it is a plain word. A server's sentences may quote keys: not kept."""
        error = _json(answer)
        fields = error.get("error", error) if isinstance(error, dict) else None
        if isinstance(fields, dict):
            for word in (fields.get("code"), fields.get("type")):
                if isinstance(word, str) and _ERROR_CODE.fullmatch(word) and word not in (self._key or ""):
                    return f" ({word})"
        return ""

    def _body(self, prompt: Prompt) -> bytes:
        fields = self.options.body | {
            "model": self.name,
            "messages": [{"role": message.role, "content": message.content} for message in prompt.messages],
            self.options.limit_field: prompt.max_tokens,
            "temperature": prompt.temperature,
            "stream": False,
        }
        return json.dumps(fields).encode()

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        return headers if self._key is None else headers | {"Authorization": f"Bearer {self._key}"}

    @asynccontextmanager
    async def _connections(self) -> AsyncIterator[aiohttp.ClientSession]:
        """One pool for all the calls in flight; the last one closes it, so that nobody else has to."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # `pace` is the limit
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # `_read` bounds what is decoded
            )
        session = self._session
        self._calls += 1
        try:
            yield session
        finally:
            self._calls -= 1
            if self._calls == 0:
                self._session = None
                await session.close()


async def _read(response: aiohttp.ClientResponse) -> str:
    """The body as text, within `MAX_BODY` before and after decoding. gzip and deflate are read though not asked for."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "deflate"):
        raise Malformed("an encoding that was not asked for")
    inflate = zlib.decompressobj(wbits=47) if encoding in ("gzip", "deflate") else None  # 47: gzip or zlib, by header
    body = bytearray()
    received = 0
    async for chunk in response.content.iter_any():
        received += len(chunk)
        try:
            body += inflate.decompress(chunk, MAX_BODY + 1 - len(body)) if inflate else chunk
        except zlib.error:
            raise Malformed("a body that does not decode") from None
        if max(received, len(body)) > MAX_BODY:
            raise Malformed(f"a body over {MAX_BODY} bytes")
    if inflate and not inflate.eof:
        raise Malformed("a body that does not decode")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Malformed("a body that is not UTF-8") from None


def _json(answer: str) -> object:
    """The envelope, strictly; what is wrong with it is not quoted, since a server may echo the key anywhere."""
    try:
        return load_json(answer, MAX_BODY)
    except Malformed:
        raise Malformed("not one strict JSON value") from None


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value < 2**53 else 0


def _remedy(status: int) -> str:
    match status:
        case 400 | 413 | 422:
            return ": the server takes no such request (a prompt longer than the model reads? a field of body?)"
        case 401 | 403:
            return ": the server does not take the key (see key_env)"
        case 404:
            return ": no such address or model (see base_url)"
        case 301 | 302 | 303 | 307 | 308:
            return ": redirects are not followed (see base_url)"
        case _:
            return ""

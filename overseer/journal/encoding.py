"""Tasks, replies, rulings and episodes as JSON: what a journal keeps, and what a record is hashed over.

Beside the walk's step 8. Reading is strict: unknown fields, other types, NaN and infinities are `Malformed`. Knows
nothing of files or of who answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import PydanticSerializationError

from overseer.errors import Malformed
from overseer.records import (
    Comparison,
    Context,
    Critique,
    Episode,
    Failure,
    Outcome,
    Reply,
    Ruling,
    Task,
    Text,
    Usage,
)
from overseer.strict_json import load_json

Value = TypeVar("Value")
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class _ReplyRow:
    """A reply with its value under the name of its kind: read five times faster than a union without tags."""

    request: str
    binding: str
    context: Context | None = None
    text: Text | None = None
    critique: Critique | None = None
    comparison: Comparison | None = None
    ruling: Ruling | None = None
    failure: Failure | None = None
    usage: Usage = field(default_factory=Usage)

    def reply(self) -> Reply:
        values = (self.context, self.text, self.critique, self.comparison, self.ruling, self.failure)
        given = [value for value in values if value is not None]
        if len(given) != 1:
            raise Malformed(f"a reply with {len(given)} values (exactly one)")
        return Reply(self.request, self.binding, given[0], self.usage)


_KINDS: Mapping[type, str] = {
    Context: "context",
    Text: "text",
    Critique: "critique",
    Comparison: "comparison",
    Ruling: "ruling",
    Failure: "failure",
}


def _reply_row(reply: Reply) -> _ReplyRow:
    kind = _KINDS.get(type(reply.value))
    if kind is None:  # an answer from a stranger's code: not what a type checker saw
        raise Malformed(f"a {type(reply.value).__name__} is no answer")
    return _ReplyRow(reply.request, reply.binding, usage=reply.usage, **{kind: reply.value})  # type: ignore[arg-type]  # by kind


@dataclass(frozen=True, slots=True)
class Ruled:
    """A person's reply, with what a budget must know of it.

    `agent`, on this `seat`, sits on `stage`. `mandatory`: outside the budget. `grant`: the stage's first look at this
    task beyond the mandatory ones, which a budget counts; looks again ride on it.
    """

    agent: str
    seat: int
    stage: str
    mandatory: bool
    grant: bool
    reply: Reply

    @property
    def seconds(self) -> float:
        """The time that the person took; none where they failed to answer."""
        return self.reply.value.seconds if isinstance(self.reply.value, Ruling) else 0.0


@dataclass(frozen=True, slots=True)
class Left:
    """A ruling as a person left it in the inbox, `at` seconds since 1970; its reply names seat, draft and rulebook."""

    task: str
    at: float
    reply: Reply

    @property
    def ruling(self) -> Ruling:
        assert isinstance(self.reply.value, Ruling), "`decode_left` lets nothing else in"
        return self.reply.value

    @property
    def says(self) -> tuple[str, str, str | None]:
        """What two rulings of one seat must agree in: the draft they are bound to, the action, and the text."""
        return self.reply.binding, self.ruling.action, self.ruling.text


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Waiting:
    """A seat that was asked, and waits: what a queue shows of it and is ordered by, `at` seconds since 1970.

    `disagreement`: the votes just below differ. `grant`: the stage's first look at this task beyond mandatory ones,
    which needs a budget's grant; looks again ride on it. `held`: its stage has a budget, so nobody is offered it
    before that grants it.
    """

    request: str
    checkpoint: str
    agent: str
    seat: int
    stage: str
    mandatory: bool
    grant: bool
    risk: int
    place: int
    disagreement: bool
    at: float
    held: bool = False

    def offered_since(self, granted: Granted | None) -> float | None:
        """Since when people may rule on it; None: they may not, now. `granted`: what its budget did last."""
        if not self.grant:
            return self.at
        if granted is None:
            return None if self.held else self.at
        return granted.at


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Granted:
    """A stage's budget grants a look at a task, `at` seconds since 1970; or takes the grant back (None)."""

    stage: str
    at: float | None


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Ended:
    """How an episode ended, and the digest that its replay must come to.

    `task` is the task's `task_key` and `place` where it stands in the input: a resume passes over it by these alone.
    """

    task: str
    place: int
    outcome: Outcome
    rule: str
    digest: str


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class _RuledRow:
    agent: str
    seat: int
    stage: str
    mandatory: bool
    grant: bool
    reply: _ReplyRow


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class _LeftRow:
    task: str
    at: float
    reply: _ReplyRow


def _adapter(kind: type[Value]) -> TypeAdapter[Value]:
    """How one kind is read and written; made when it is first needed, since making all takes a while."""
    made: TypeAdapter[Value] = _made(kind)  # type: ignore[arg-type]  # a class is hashable, whatever it is a class of
    return made


@cache
def _made(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def encode_task(task: Task) -> str:
    """A task as JSON. `Malformed` if a text in it is not Unicode (a lone surrogate)."""
    return _encode(_adapter(Task), task)


def decode_task(body: bytes | str) -> Task:
    """The task that was encoded. `Malformed` if it is not one."""
    try:
        return _adapter(Task).validate_json(body, strict=True, extra="forbid")
    except ValidationError as error:
        raise Malformed(f"not a task: {_first(error)}") from error


def encode_reply(reply: Reply) -> str:
    """A reply as JSON. `Malformed` if it holds what JSON cannot: a lone surrogate, another type."""
    return _encode(_adapter(_ReplyRow), _reply_row(reply))


def decode_reply(body: bytes | str) -> Reply:
    """The reply that was encoded. `Malformed` if it is not one, or not finite."""
    try:
        return _adapter(_ReplyRow).validate_json(body).reply()
    except ValidationError as error:
        raise Malformed(f"not a reply: {_first(error)}") from error


def encode_ruled(ruled: Ruled) -> str:
    """A person's reply as JSON, with what a budget must know of it."""
    row = _RuledRow(ruled.agent, ruled.seat, ruled.stage, ruled.mandatory, ruled.grant, _reply_row(ruled.reply))
    return _encode(_adapter(_RuledRow), row)


def decode_ruled(body: bytes | str) -> Ruled:
    """The person's reply that was encoded. `Malformed` if it is not one."""
    try:
        row = _adapter(_RuledRow).validate_json(body)
    except ValidationError as error:
        raise Malformed(f"not a person's reply: {_first(error)}") from error
    return Ruled(row.agent, row.seat, row.stage, row.mandatory, row.grant, row.reply.reply())


def encode_left(left: Left) -> str:
    """A ruling as JSON, as it is left in the inbox. `Malformed` if a text in it is not Unicode."""
    return _encode(_adapter(_LeftRow), _LeftRow(left.task, left.at, _reply_row(left.reply)))


def decode_left(body: bytes | str) -> Left:
    """The ruling that was left. `Malformed` if it is none, or not exactly one."""
    try:
        text = body if isinstance(body, str) else body.decode()
        load_json(text, max_chars=len(text))  # for its strictness: no key twice, no number that is none
        row = _adapter(_LeftRow).validate_json(text)
    except UnicodeDecodeError as error:
        raise Malformed("not a ruling: not UTF-8") from error
    except ValidationError as error:
        raise Malformed(f"not a ruling: {_first(error)}") from error
    left = Left(row.task, row.at, row.reply.reply())
    if not isinstance(left.reply.value, Ruling):
        raise Malformed("not a ruling: another reply")
    return left


def encode_waiting(waiting: Waiting) -> str:
    """A waiting seat as JSON."""
    return _encode(_adapter(Waiting), waiting)


def decode_waiting(body: bytes | str) -> Waiting:
    """The waiting seat that was encoded. `Malformed` if it is none."""
    try:
        return _adapter(Waiting).validate_json(body)
    except ValidationError as error:
        raise Malformed(f"not a waiting seat: {_first(error)}") from error


def encode_granted(granted: Granted) -> str:
    """What a budget did as JSON."""
    return _encode(_adapter(Granted), granted)


def decode_granted(body: bytes | str) -> Granted:
    """What a budget did, as it was encoded. `Malformed` if it is none."""
    try:
        return _adapter(Granted).validate_json(body)
    except ValidationError as error:
        raise Malformed(f"not a grant: {_first(error)}") from error


def task_key(body: str) -> str:
    """A task's JSON in sixteen hex digits: equal for equal words in an equal place."""
    return sha256(body.encode()).hexdigest()[:16]


def encode_ended(episode: Episode, key: str) -> str:
    """The end of an episode as JSON; `key` is its task's."""
    return _encode(_adapter(Ended), Ended(key, episode.task.place, episode.outcome, episode.rule, digest(episode)))


def decode_ended(body: bytes | str) -> Ended:
    """The end that was encoded. `Malformed` if it is not one."""
    try:
        return _adapter(Ended).validate_json(body)
    except ValidationError as error:
        raise Malformed(f"not an end: {_first(error)}") from error


_TIMELESS: Mapping[str, Any] = {
    "evaluations": {"__all__": {"votes": {"__all__": {"answer": {"seconds"}}}}},
    "rulebook": {"principles"},
}
_OF_A_TASK: Mapping[str, Any] = {**_TIMELESS, "appeal": True}


def canonical(episode: Episode) -> bytes:
    """An episode in the one form that is hashed: JSON in field order, without times.

    The only time in an episode is `Ruling.seconds`; what a reply cost (`Usage`) is no part of it. The rulebook stands
    by its layers, settlements and hash, which covers its principles. Only an appeal's episode has an `appeal`.
    """
    return _adapter(Episode).dump_json(episode, exclude=_OF_A_TASK if episode.appeal is None else _TIMELESS)


def digest(episode: Episode) -> str:
    """SHA-256 of the canonical episode, in hex."""
    return sha256(canonical(episode)).hexdigest()


def _encode(adapter: TypeAdapter[Value], value: Value) -> str:
    try:
        return adapter.dump_json(value, exclude_defaults=True, warnings="error").decode()
    except PydanticSerializationError as error:
        raise Malformed(str(error).splitlines()[0]) from error


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, found['loc'])) or 'body'}: {found['msg']}"

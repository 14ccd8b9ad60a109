"""How a model is spoken to and answers: the dialects, and a prompt as it is sent. Beside step 5 of the walk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from overseer.records import Message

Dialect = Literal["json", "word", "short"]
"""How a reviewer answers. `json`: one JSON object. `word`: the message is one word and nothing else, for models too
small for JSON; it carries no findings and no confidence. An assessment takes four values, and is JSON in both.
`short`: prompts of a few lines and replies of one, for small models trained in it (`prompts.short`)."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent to a model. `temperature` 0 for those who judge, 1 for those who write.

    `key` is not sent: a model on this machine draws by it, so that a request's text is its own and comes again.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float
    key: str = ""

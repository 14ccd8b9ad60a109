"""A conversation as the token ids that a local model was trained to read, and token ids as text again.

Beside `models.local`. The model's own chat template is used. What a message quotes cannot pose as the template's marks:
the name of a special token inside a message is broken by a space before anything is read. Knows no weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from overseer.errors import ConfigError, Malformed
from overseer.models.decoding import Tokens
from overseer.records import Message

_PROBE = (Message("system", "a"), Message("user", "b"))


class Chat:
    """A tokenizer with its chat template. `takes_system`: else a system message opens the first message of the user.

    `ends` are its end tokens (none, or one), `pad` is what rows are filled up with, `size` how many tokens it has.
    """

    def __init__(self, tokenizer: Any, model: str) -> None:
        """Raises `ConfigError` where there is no chat template, or it does not take a plain question."""
        if not tokenizer.chat_template:
            raise ConfigError(
                f"{model}: its tokenizer has no chat template (a model that was not trained to chat cannot be asked; "
                "if it was, put its chat_template.jinja into the folder)"
            )
        self._tokenizer = tokenizer
        self.ends: Tokens = () if tokenizer.eos_token_id is None else (int(tokenizer.eos_token_id),)
        self.pad = int(tokenizer.pad_token_id or 0)
        self.size = len(tokenizer)
        added = {str(token.content) for token in tokenizer.added_tokens_decoder.values() if token.special}
        special = added | {str(token) for token in tokenizer.all_special_tokens}
        self._special = sorted((name for name in special if name.strip()), key=len, reverse=True)
        self.takes_system = True
        try:
            self._rendered(_PROBE)
        except Malformed:
            self.takes_system = False
            try:
                self._rendered(_PROBE)
            except Malformed as error:
                raise ConfigError(f"{model}: its chat template fails on a plain question: {error}") from None

    def read(self, messages: Sequence[Message], begun: str = "") -> Tokens:
        """The ids of a conversation up to where the model's message begins, and of that message as far as it is begun.

        Raises `Malformed` for what the template does not take.
        """
        return self.read_all(messages, (begun,))[0]

    def read_all(self, messages: Sequence[Message], begun: Sequence[str]) -> list[Tokens]:
        """As `read`, of one conversation that goes on in several ways."""
        text = self._rendered(messages)
        ids = self._tokenizer([text + each for each in begun], add_special_tokens=False)["input_ids"]
        return [tuple(each) for each in ids]

    def text(self, tokens: Sequence[int]) -> str:
        """What the model wrote. A special token in it stands as its name: nothing that was written is hidden."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _rendered(self, messages: Sequence[Message]) -> str:
        from jinja2 import TemplateError

        said = [{"role": message.role, "content": self.defused(message.content)} for message in messages]
        if not self.takes_system and said and said[0]["role"] == "system":
            system, *said = said
            if not said or said[0]["role"] != "user":
                raise Malformed("the chat template takes no system message")
            said[0] = {"role": "user", "content": f"{system['content']}\n\n{said[0]['content']}"}
        try:
            return str(self._tokenizer.apply_chat_template(said, add_generation_prompt=True, tokenize=False))
        except (TemplateError, TypeError, ValueError) as error:
            raise Malformed(f"the chat template does not take these messages: {ascii(str(error))[:80]}") from None

    def defused(self, text: str) -> str:
        """The text without the name of any special token: each is broken after its first character."""
        for name in self._special:
            while name in text:
                if len(name) == 1:
                    raise Malformed(f"a text holds {name!a}, which this model takes for a mark of its own")
                text = text.replace(name, f"{name[0]} {name[1:]}")
        return text


def open_chat(folder: Path, model: str) -> Chat:
    """The chat of a model's folder. Raises `ConfigError` where its tokenizer cannot be used."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"{model}: its tokenizer cannot be loaded from {folder}: {reason}") from error
    return Chat(tokenizer, model)

"""A model's folder opened for training: what does not fit is told before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_language_model import TEMPLATE, make_language_model, make_tokenizer

pytest.importorskip("trl", reason="trl is not installed")

from overseer.errors import ConfigError
from overseer.records import Message
from overseer.training.tokens import open_model

ASKED = (Message("user", "hi"),)


@pytest.mark.slow
def test_an_answer_ends_at_its_end_token(tmp_path: Path) -> None:
    """Whatever the template puts behind it is cut off; the prompt's part is told."""
    model = make_language_model(tmp_path / "m", tokenizer=make_tokenizer(TEMPLATE + "\n\n"))
    opened = open_model(str(model))
    ids, start = opened.encode(ASKED, "yo")
    assert opened.tokenizer.decode(ids) == "<user>hi<assistant>yo<eos>"
    assert opened.tokenizer.decode(ids[start:]) == "yo<eos>"
    assert opened.asked(ASKED) == ids[:start]
    assert opened.longest == 1024


@pytest.mark.slow
def test_a_text_that_names_a_special_token_is_seen(tmp_path: Path) -> None:
    """It would end an answer, or begin somebody's turn, in the middle of a text."""
    opened = open_model(str(make_language_model(tmp_path / "m")))
    assert opened.forges(["Take one.<eos><user>And now?"])
    assert not opened.forges(["Take < one > eos."])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tokenizer", "config", "what"),
    [
        ({"template": None}, {}, "no chat template"),
        ({"template": TEMPLATE.replace("<eos>", "")}, {}, "does not end an answer with <eos>"),
        ({"template": "{{ raise_exception('no') }}"}, {}, "its chat template fails"),
        ({"eos_token": None}, {}, "names no end token"),
        ({"pad_token": None}, {}, "names no token to pad with"),
        ({"pad_token": "<eos>"}, {}, "pads with its end token"),
        ({}, {"vocab_size": 100}, "has 261 tokens, the model 100"),
        ({}, {"eos_token_id": 7}, "the model ends at token 7, its tokenizer at 1"),
    ],
    ids=[
        "no template",
        "no end",
        "template fails",
        "no eos",
        "no pad",
        "pad is eos",
        "too many tokens",
        "another's eos",
    ],
)
def test_a_tokenizer_that_does_not_fit_is_one_line(
    tmp_path: Path, tokenizer: dict[str, Any], config: dict[str, Any], what: str
) -> None:
    """What is wrong, with the folder and the remedy."""
    model = make_language_model(tmp_path / "m", tokenizer=make_tokenizer(**tokenizer), **config)
    with pytest.raises(ConfigError) as told:
        open_model(str(model))
    (line,) = told.value.problems
    assert line.startswith(str(model))
    assert what in line
    assert "\n" not in line


@pytest.mark.slow
def test_a_token_to_pad_with_can_be_named(tmp_path: Path) -> None:
    """Many models come without one."""
    model = make_language_model(tmp_path / "m", tokenizer=make_tokenizer(pad_token=None))
    assert open_model(str(model), "<system>").tokenizer.pad_token_id == 2
    with pytest.raises(ConfigError, match="is no token of it"):
        open_model(str(model), "<nothing>")
    with pytest.raises(ConfigError, match="'x' is no special token: texts hold it"):
        open_model(str(model), "x")


@pytest.mark.slow
def test_a_folder_that_holds_no_model_is_one_line(tmp_path: Path) -> None:
    """No folder; no configuration; pickled weights; no tokenizer."""
    model = make_language_model(tmp_path / "m")
    with pytest.raises(ConfigError, match="no such folder"):
        open_model(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"holds no config\.json"):
        open_model(str(tmp_path))
    (model / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        open_model(str(model))
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="pickled weights are never loaded"):
        open_model(str(model))
    (model / "config.json").write_text(json.dumps({"model_type": "nothing"}), encoding="utf-8")

"""`docs/models.md` says what is so: its options, its example of a verdict, its functions."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import yaml

from overseer.models import local, openai
from overseer.prompts import parse
from overseer.records import (
    Agent,
    Context,
    Critique,
    CritiqueRequest,
    Draft,
    FailureKind,
    Message,
    Principle,
    Rulebook,
    Task,
    text_hash,
)
from overseer.reviewers import model

PAGE = (Path(__file__).parent.parent / "docs" / "models.md").read_text(encoding="utf-8")
RULEBOOK = Rulebook((Principle("warn_of_risk", "Name a risk.", "It burns.", tier=3),), ("base",), (), "hash")
DRAFT = Draft(0, "Light the kiln.", text_hash("Light the kiln."), "policy")
ASKED = CritiqueRequest(
    "r", "nurse", "s", Task("t", (Message("user", "How?"),), 0), Context((), 0, 0, 1.0), RULEBOOK, (), DRAFT, (), True
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_every_option_is_in_the_page_and_every_one_there_exists() -> None:
    """A knob that is not described is not found; one that is described must be there."""
    named = {name for row in re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    kinds = set(FailureKind.__args__)  # type: ignore[attr-defined]
    known = (openai.Options, local.Options, model.Options)
    assert named - kinds == {name for options in known for name in options.model_fields}


def test_the_verdict_shown_is_read() -> None:
    """The JSON of the page is a verdict as it stands."""
    value = parse(ASKED, blocks("json")[0], "stop")
    assert isinstance(value, Critique)
    assert value.verdict == "reject"


def test_the_agent_shown_loads() -> None:
    """The YAML of the page is an agent as it stands."""
    (name, said), *_ = yaml.safe_load(blocks("yaml")[0])["agents"].items()
    agent = Agent(name, said["model"], said["authority"], options=said["options"])
    assert model.load(agent, f"agents.{name}", {"LEAD_KEY": "k"}).options == model.Options()


def test_the_functions_shown_run() -> None:
    """The Python of the page makes reviewers that answer."""
    found: dict[str, object] = {}
    for block in blocks("python"):
        exec(block, found)
    reply = asyncio.run(found["nurse"].answer(ASKED))  # type: ignore[attr-defined]
    assert isinstance(reply.value, Critique)
    assert reply.value.verdict == "reject"

"""The models that come with the package: small, whole, with a card, and of use at once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from overseer.models import Completion, Site, folders
from overseer.models.folders import SHIPPED, locate, shipped

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from overseer.models.local import load
from overseer.prompts import Prompt
from overseer.town import make_task


def test_they_are_small_and_safe() -> None:
    """One of each size for the processor, 8 MB together, weights as safetensors, nothing pickled."""
    assert shipped() == ["1e4", "1e5", "1e6"]
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 8_000_000
    assert {path.suffix for path in files} == {".json", ".jinja", ".md", ".safetensors"}


@pytest.mark.parametrize("name", shipped())
def test_each_says_what_it_is(name: str) -> None:
    """Its card gives the command, the data and measured skill; its folder the dialect, its data's hashes, no place."""
    folder = locate(f"town/{name}", Path())
    card = (folder / "README.md").read_text(encoding="utf-8")
    for told in ("overseer train recipes/town_models.yaml", "corpus", "judging drafts of all sorts", "95 % interval"):
        assert told in card
    assert folders.said(folder, name) == {"dialect": "short"}
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    assert record["settings"]["size"] == name
    assert all(len(data["sha256"]) == 64 and "/" not in data["name"] for data in record["data"])
    sampled = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    assert (sampled["do_sample"], sampled["top_k"]) == (True, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped())
def test_each_writes_at_once(name: str) -> None:
    """A request of Town is answered, in words, to the end; the larger ones say what was asked for."""
    tasks = [make_task("shipped", "reference", index, index) for index in range(8)]
    model = load(f"town/{name}", {}, Site("test", {}, Path(), {}))

    async def ask() -> list[str]:
        done = await asyncio.gather(*(model.complete(Prompt(task.messages, 96, 0.0)) for task in tasks))
        return [each.text for each in done if isinstance(each, Completion)]

    texts = asyncio.run(ask())
    assert len(texts) == len(tasks)
    assert all(text.strip() for text in texts)
    if name != "1e4":
        assert sum(text.endswith(".") for text in texts) >= 6

"""Pre-training learns answers and nothing else, goes on where it was killed, and leaves a folder that others load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import numpy as np

from overseer.errors import ConfigError, OverseerError
from overseer.models.town_tokenizer import fit
from overseer.training import corpora
from overseer.training.ladder import build
from overseer.training.outputs import under_way
from overseer.training.pretrain import Run, Settings, batches, collate, pretrain

LINE = {
    "kind": "sums",
    "prompt": [{"role": "system", "content": "tell"}, {"role": "user", "content": "How much is 3 and 4?"}],
    "completion": [{"role": "assistant", "content": "It is 7."}],
}


def corpus(folder: Path, count: int = 120) -> Path:
    """Sums of small numbers, a line each."""
    path = folder / "sums.jsonl"
    rows = []
    for index in range(count):
        left, right = index % 7, index // 7 % 5
        asked = {"role": "user", "content": f"How much is {left} and {right}{' again' * (index % 3)}?"}
        told = {"role": "assistant", "content": f"It is {left + right}."}
        rows.append(json.dumps({"kind": "sums", "prompt": [LINE["prompt"][0], asked], "completion": [told]}))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def reader(path: Path) -> Any:
    texts = list(corpora.texts(corpora.told([path])))
    return fit(texts, texts, sizes=(512,))[-1].tokenizer


SETTINGS = Settings("1e4", epochs=2, batch=16, longest=64, snapshot_every=5)


def test_batches_hold_every_line_once_and_hang_on_seed_and_epoch() -> None:
    """An epoch is a permutation; lines of like length share a batch."""
    lengths = np.arange(1000) % 50
    for epoch in (0, 1):
        found = batches(lengths, 8, 3, epoch)
        assert sorted(np.concatenate(found).tolist()) == list(range(1000))
        assert [each.tolist() for each in found] == [each.tolist() for each in batches(lengths, 8, 3, epoch)]
        assert np.mean([np.ptp(lengths[each]) for each in found]) < 5
    assert [each.tolist() for each in batches(lengths, 8, 3, 0)] != [
        each.tolist() for each in batches(lengths, 8, 3, 1)
    ]


def test_only_answers_are_learned(tmp_path: Path) -> None:
    """Targets are the answer's tokens and its end, one place ahead; prompts and padding have none."""
    path = corpus(tmp_path, 12)
    tokenizer = reader(path)
    lines = corpora.encode(corpora.told([path]), tokenizer, 64)
    ids, targets = collate(lines, np.arange(12), tokenizer.pad_token_id)
    for row in range(12):
        learned = targets[row][targets[row] != -100]
        assert tokenizer.decode(learned).startswith("It is ")
        assert int(learned[-1]) == tokenizer.eos_token_id
        places = (targets[row] != -100).nonzero()[:, 0]
        assert torch.equal(ids[row, places[1:]], learned[:-1])


def test_a_line_that_is_none_is_said(tmp_path: Path) -> None:
    """The file, the line and what is wrong with it."""
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps({"prompt": LINE["prompt"], "completion": LINE["prompt"]}) + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.jsonl.*line 1.*completion"):
        list(corpora.told([path]))


def test_lines_that_are_too_long_are_left_out_and_counted(tmp_path: Path) -> None:
    """Nothing is cut: an answer without its end would be learned as such."""
    path = corpus(tmp_path, 12)
    tokenizer = reader(path)
    whole = corpora.encode(corpora.told([path]), tokenizer, 64)
    limit = int(whole.lengths.min())
    fewer = corpora.encode(corpora.told([path]), tokenizer, limit)
    assert len(fewer) + fewer.too_long == len(whole)
    with pytest.raises(ConfigError, match="longer"):
        corpora.encode(corpora.told([path]), tokenizer, 3)


@pytest.mark.slow
def test_what_it_writes_loads_in_transformers(tmp_path: Path) -> None:
    """The folder gives model and tokenizer without code of ours, in safetensors; the loss has fallen."""
    path, out = corpus(tmp_path, 400), tmp_path / "model"
    made = pretrain([path], out, Settings("1e4", epochs=8, batch=16, longest=64))
    model = transformers.AutoModelForCausalLM.from_pretrained(out)
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    assert made.loss < 1.5
    assert (model.config.pad_token_id, model.config.eos_token_id) == (tokenizer.pad_token_id, tokenizer.eos_token_id)
    asked = tokenizer.apply_chat_template(LINE["prompt"], add_generation_prompt=True, return_tensors="pt")
    written = model.generate(**asked, max_new_tokens=12, do_sample=False)[0, asked["input_ids"].shape[1] :]
    assert tokenizer.decode(written).startswith("It is")
    assert not [each for each in out.rglob("*") if each.suffix in (".bin", ".pt", ".pkl")]
    assert json.loads((out / "training.json").read_text(encoding="utf-8"))["held_out"]["sums"]["lines"] == 4
    with pytest.raises(ConfigError, match="is there already"):
        pretrain([path], out, SETTINGS)


@pytest.mark.slow
def test_a_model_learns_on(tmp_path: Path) -> None:
    """From its weights, with its tokenizer; its first loss is the one that it had come to, not a fresh model's."""
    path, first, second = corpus(tmp_path, 400), tmp_path / "first", tmp_path / "second"
    before = pretrain([path], first, Settings("1e4", epochs=8, batch=16, longest=64))
    after = pretrain([path], second, Settings("1e4", epochs=0.1, batch=16, longest=64, rate=1e-4), start=first)
    assert after.loss < before.loss + 0.2
    assert (second / "tokenizer.json").read_bytes() == (first / "tokenizer.json").read_bytes()
    assert json.loads((second / "training.json").read_text(encoding="utf-8"))["start"]["name"] == "first"
    with pytest.raises(ConfigError, match="hidden_size is 16, not 64"):
        pretrain([path], tmp_path / "third", Settings("1e5", longest=64), start=first)
    with pytest.raises(ConfigError, match="one of --start and --tokenizer"):
        pretrain([path], tmp_path / "third", SETTINGS, start=first, tokenizer=first)


class Killed(Exception):
    """What a test stops a run with."""


@pytest.mark.slow
@pytest.mark.parametrize("at", [5, 8, 13])
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path, at: int) -> None:
    """From the last snapshot, bit for bit; of other settings, nothing is taken over."""
    path = corpus(tmp_path)

    def killer(done: int, _of: int, _loss: float, _speed: float) -> None:
        if done >= at:
            raise Killed

    whole = tmp_path / "whole"
    pretrain([path], whole, SETTINGS)
    halved = tmp_path / "halved"
    with pytest.raises(Killed):
        pretrain([path], halved, SETTINGS, progress=killer, report_every=1)
    assert not halved.exists()
    assert list(under_way(halved).iterdir()), "where a recipe looks for what another unit left unfinished"
    with pytest.raises(ConfigError, match="other data or settings"):
        pretrain([path], halved, Settings("1e4", epochs=3, batch=16, longest=64, snapshot_every=5))
    pretrain([path], halved, SETTINGS)
    assert (halved / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_settings_that_cannot_be_are_said(tmp_path: Path) -> None:
    """Before anything is read; and so is a model or a tokenizer that is not there."""
    data, out = [tmp_path / "none.jsonl"], tmp_path / "out"
    with pytest.raises(ConfigError, match="1e9"):
        pretrain(data, out, Settings("1e9", rate=-1.0))
    with pytest.raises(ConfigError, match=r"there is no tpu here \(found cpu"):
        pretrain(data, out, Settings("1e4", device="tpu"))
    for given in ({"start": tmp_path / "nowhere"}, {"tokenizer": tmp_path / "nowhere"}):
        with pytest.raises(ConfigError, match="nowhere: no such file or folder"):
            pretrain(data, out, SETTINGS, **given)
    with pytest.raises(ConfigError, match=r"town/1e9.*town/1e5"):
        pretrain(data, out, SETTINGS, start=Path("town/1e9"))


def test_a_loss_that_is_no_number_stops_it(tmp_path: Path) -> None:
    """The update is named, and no weight has changed."""
    path = corpus(tmp_path)
    tokenizer = reader(path)
    lines = corpora.encode(corpora.told([path]), tokenizer, 64)
    model = build("1e4", tokenizer, 0, 64)
    run = Run(model, lines, SETTINGS, tokenizer.pad_token_id)
    with torch.no_grad():
        model.model.norm.weight.fill_(float("nan"))
    before = model.lm_head.weight.clone()
    with pytest.raises(OverseerError, match="loss is nan at update 0"):
        run.train(tmp_path / "kept", {}, "key", None, 1)
    assert torch.equal(model.lm_head.weight, before)

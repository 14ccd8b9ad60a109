"""The stages on TRL: our exports train, what is written loads, and whatever goes wrong leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from exported import exported
from tiny_language_model import make_language_model, one_thread  # noqa: F401  # a fixture

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("trl", reason="trl is not installed")

import datasets
import transformers
from safetensors.torch import load_file

from overseer.errors import ConfigError, OverseerError
from overseer.training import data, stages
from overseer.training.fitting import quiet
from overseer.training.outputs import Made
from overseer.training.settings import Dpo, Lora, RewardModel, Sft
from overseer.training.tokens import open_model
from overseer.training.trl_trainers import Sft as SftTrainer
from overseer.training.trl_trainers import opening_loss, pairwise_loss, without_bars

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

SHORT: dict[str, Any] = {"max_length": 400, "epochs": 0.5, "log_every": 1, "held_out": 0.2}
PICKLED = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}


@cache
def model() -> Path:
    return make_language_model(Path(mkdtemp(prefix="model-")) / "m", hidden=16)


def weights(folder: Path) -> dict[str, Any]:
    return load_file(folder / "model.safetensors")


def moved(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return any(not torch.equal(before[name], after[name]) for name in before.keys() & after.keys())


# --- TRL's own trainers --------------------------------------------------------------------------------------------


def raw_pairs() -> Any:
    """The export as `datasets` reads it, weight and provenance beside the columns."""
    return datasets.load_dataset(
        "json", data_files=str(exported() / "pairs.jsonl"), split="train", cache_dir=mkdtemp(prefix="cache-")
    )


def ours(rows: list[dict[str, Any]]) -> Any:
    return datasets.Dataset.from_list(rows)


FED: dict[str, tuple[str, Callable[[], Any]]] = {
    "dpo, the file as it is": ("DPO", raw_pairs),
    "reward, the file as it is": ("Reward", raw_pairs),
    "kto, the file as it is": ("KTO", raw_pairs),
    "dpo": ("DPO", lambda: ours(data.as_preferences(data.read_pairs([exported() / "pairs.parquet"]).rows))),
    "reward": ("Reward", lambda: ours(data.as_preferences(data.read_pairs([exported() / "pairs.jsonl"]).rows))),
    "kto": ("KTO", lambda: ours(data.as_judged(data.read_judged([exported() / "critiques.jsonl"]).rows))),
    "sft": ("SFT", lambda: ours(data.as_answers(data.read_answers([exported() / "revisions.jsonl"]).rows))),
}


@pytest.mark.parametrize("name", FED)
def test_trl_s_trainers_take_a_real_step_on_our_export(name: str, tmp_path: Path) -> None:
    """Unchanged trainers, our columns: the weights move."""
    import trl

    kind, rows = FED[name]
    options: dict[str, Any] = (
        {"max_length": 300} if kind != "KTO" else {"max_length": 300, "loss_type": "apo_zero_unpaired"}
    )
    with quiet(), without_bars():
        config = getattr(trl, f"{kind}Config")(
            output_dir=str(tmp_path),
            max_steps=1,
            learning_rate=1e-2,
            warmup_steps=0,
            per_device_train_batch_size=4,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            **options,
        )
        taught = _loaded(kind)
        tokenizer = transformers.AutoTokenizer.from_pretrained(model())
        trainer = getattr(trl, f"{kind}Trainer")(
            model=taught, args=config, train_dataset=rows(), processing_class=tokenizer
        )
        before = {name: held.clone() for name, held in taught.state_dict().items()}
        trainer.train()
    assert trainer.state.global_step == 1
    assert moved(before, taught.state_dict())


def _loaded(kind: str) -> Any:
    if kind == "Reward":
        return transformers.AutoModelForSequenceClassification.from_pretrained(model(), num_labels=1)
    return transformers.AutoModelForCausalLM.from_pretrained(model())


# --- our stages ----------------------------------------------------------------------------------------------------


def run(stage: str, out: Path, **settings: Any) -> Made:
    folder = exported()
    match stage:
        case "sft":
            files = [folder / "critiques.jsonl", folder / "revisions.parquet"]
            return stages.sft(files, str(model()), out, Sft(**{**SHORT, "batch": 16, **settings}))
        case "rm":
            rm = RewardModel(**{**SHORT, "batch": 8, **settings})
            return stages.reward_model([folder / "pairs.jsonl"], str(model()), out, rm)
        case _:
            dpo = Dpo(**{**SHORT, "batch": 8, **settings})
            return stages.dpo([folder / "pairs.parquet"], str(model()), out, dpo)


def loads(stage: str, folder: Path) -> Any:
    kind = transformers.AutoModelForSequenceClassification if stage == "rm" else transformers.AutoModelForCausalLM
    taught, told = kind.from_pretrained(folder, output_loading_info=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    transformers.AutoTokenizer.from_pretrained(folder)
    return taught


@pytest.mark.parametrize("stage", ["sft", "rm", "dpo"])
def test_a_stage_writes_a_folder_that_loads_with_a_card_and_figures(stage: str, tmp_path: Path) -> None:
    """Weights that moved, no pickle anywhere, the record, the log, and figures with n and interval."""
    out = tmp_path / "made"
    made = run(stage, out)
    loads(stage, out)
    assert moved(weights(model()), weights(out))
    names = {path.name for path in out.rglob("*")}
    assert {"README.md", "training.json", "metrics.jsonl", "tokenizer.json", "config.json"} <= names
    assert not {path.suffix for path in out.rglob("*")} & PICKLED
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    told = json.loads((out / "training.json").read_text(encoding="utf-8"))
    assert told["data"][0]["sha256"] in (out / "README.md").read_text(encoding="utf-8")
    assert told["updates"] == made.updates > 0
    logged = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["update"] for row in logged] == list(range(1, made.updates + 1))
    expected = {"nll", "nll_before"} if stage == "sft" else {"accuracy", "margin", "log_loss", "ece"}
    assert expected <= made.figures.keys()
    assert all(figure.n > 0 for figure in made.figures.values())
    assert made.rows + made.held_out + sum(made.left_out.values()) >= made.rows + made.held_out > 0


def test_the_same_stage_again_gives_the_same_weights(tmp_path: Path) -> None:
    """Everything hangs on the seed, on one machine; another seed gives others."""
    run("rm", tmp_path / "one")
    run("rm", tmp_path / "two")
    run("rm", tmp_path / "other", seed=1)
    assert not moved(weights(tmp_path / "one"), weights(tmp_path / "two"))
    assert moved(weights(tmp_path / "one"), weights(tmp_path / "other"))


def test_what_is_learned_is_learned(tmp_path: Path) -> None:
    """A few more passes over the answers: they are likelier than before, on prompts that were held out."""
    made = run("sft", tmp_path / "made", epochs=4, learning_rate=1e-2)
    assert made.figures["nll"].value is not None
    assert made.figures["nll_before"].low is not None
    assert made.figures["nll"].value < made.figures["nll_before"].low - 1


@pytest.mark.parametrize("stage", ["sft", "rm", "dpo"])
def test_adapters_are_merged_into_weights_that_load_anywhere(stage: str, tmp_path: Path) -> None:
    """LoRA, gradient checkpointing, bf16 and micro-batches together, written as a whole model."""
    small: dict[str, Any] = {
        "lora": Lora(rank=2),
        "gradient_checkpointing": True,
        "micro_batch": 4,
        "precision": "bf16",
    }
    run(stage, tmp_path / "made", **small)
    taught = loads(stage, tmp_path / "made")
    assert not any("lora" in name for name, _ in taught.named_parameters())
    assert moved(weights(model()), weights(tmp_path / "made"))


def test_adapters_can_be_written_alone(tmp_path: Path) -> None:
    """For peft, beside the model they were trained on."""
    from peft import AutoPeftModelForCausalLM

    run("dpo", tmp_path / "made", lora=Lora(rank=2, merge=False))
    assert not (tmp_path / "made" / "model.safetensors").exists()
    AutoPeftModelForCausalLM.from_pretrained(tmp_path / "made")


@pytest.mark.parametrize("weighed", ["loss", "margin", "sample", "ignore"])
def test_pairs_may_count_by_their_weight(weighed: str, tmp_path: Path) -> None:
    """Each way trains, and each comes to something else than ignoring the weight."""
    folder = exported()
    rows = [json.loads(line) for line in (folder / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    for at, row in enumerate(rows):
        row["weight"] = 1.0 if at % 2 else 0.1
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    settings = RewardModel(**{**SHORT, "batch": 8, "weights": weighed})
    stages.reward_model([path], str(model()), tmp_path / "made", settings)
    plain = RewardModel(**{**SHORT, "batch": 8, "weights": "ignore"})
    stages.reward_model([path], str(model()), tmp_path / "plain", plain)
    assert moved(weights(tmp_path / "made"), weights(tmp_path / "plain")) == (weighed != "ignore")


def test_the_reward_model_s_loss_by_hand() -> None:
    """Weighted mean of −log σ(difference − margin); the penalty holds each score, not their sum."""
    scores = torch.tensor([2.0, 0.0, 1.0, 0.0])  # chosen 2 and 0, rejected 1 and 0
    weight = torch.tensor([1.0, 0.5])
    expected = (torch.log1p(torch.exp(torch.tensor(-1.0))) + 0.5 * torch.log(torch.tensor(2.0))) / 2
    assert torch.allclose(pairwise_loss(scores, weight), expected)
    wider = (torch.log(torch.tensor(2.0)) + 0.5 * torch.log1p(torch.exp(torch.tensor(1.0)))) / 2
    assert torch.allclose(pairwise_loss(scores, weight, torch.tensor([1.0, 1.0])), wider)


def test_the_beginnings_of_answers_count_more_by_hand() -> None:
    """A row of three tokens, of which the first counts thrice as much as the others, and a row of one."""
    logits = torch.zeros(2, 5, 4)
    logits[0, 1, 2] = 5.0  # only the first learned token of the first row is told from the others
    labels = torch.tensor([[-100, -100, 2, 1, 3], [-100, -100, -100, -100, 0]])
    blind, sure = torch.log(torch.tensor(4.0)), torch.log(1 + 3 * torch.exp(torch.tensor(-5.0)))
    expected = (sure + 2 * blind / 3 + blind) / 4
    assert torch.allclose(opening_loss(logits, labels, 1, 3.0), expected)
    plain = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, 4), labels[:, 1:].reshape(-1))
    assert torch.allclose(opening_loss(logits, labels, 1, 1.0), plain)
    assert torch.allclose(opening_loss(logits, labels, 1, 3.0, 8), expected / 2)


@pytest.mark.parametrize("emphasis", [1.0, 9.0])
def test_answers_are_learned_and_prompts_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emphasis: float
) -> None:
    """What the loss is taken on begins with the answer and ends with its end token: of every row of every batch."""
    seen: list[list[int]] = []
    theirs = SftTrainer.compute_loss

    def watched(trainer: SftTrainer, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        seen.extend([token for token in row.tolist() if token != -100] for row in inputs["labels"])
        return theirs(trainer, model, inputs, *rest, **named)

    monkeypatch.setattr(SftTrainer, "compute_loss", watched)
    made = run("sft", tmp_path / "out", emphasis=emphasis, held_out=0, epochs=1, max_length=1000)
    opened = open_model(str(model()))
    told = data.read_answers([exported() / "critiques.jsonl", exported() / "revisions.parquet"]).rows
    answers = [ids[start:] for ids, start in (opened.encode(row.prompt, row.text) for row in told)]
    assert made.rows == len(answers)
    assert sorted(seen) == sorted(answers)


def test_beginnings_are_learned_first_where_they_count_more(tmp_path: Path) -> None:
    """With emphasis, other weights come of the same rows; one update at a time or in parts, the same ones."""
    for name, knobs in (("plain", {}), ("more", {"emphasis": 9.0}), ("parts", {"emphasis": 9.0, "micro_batch": 1})):
        run("sft", tmp_path / name, **knobs)
    plain, more, parts = (weights(tmp_path / name) for name in ("plain", "more", "parts"))
    assert moved(plain, more)
    assert all(torch.allclose(more[name], parts[name], atol=1e-4) for name in more)


def test_large_scores_of_opposite_sign_are_held_back(tmp_path: Path) -> None:
    """Their sum is 0, which a penalty on the sum would leave alone; here the scores stay smaller."""
    spread = {}
    for name, penalty in (("free", 0.0), ("held", 10.0)):
        made = run("rm", tmp_path / name, epochs=4, learning_rate=1e-2, score_penalty=penalty)
        spread[name] = made.figures["score_sd"].value
    assert spread["held"] < spread["free"] / 2


def test_two_processes_share_a_batch(tmp_path: Path) -> None:
    """As many updates as one process makes, to the same losses; one report, one folder."""
    settings = ["epochs=.5", "batch=8", "max_length=400", "log_every=1"]
    words = ["train", "rm", "--data", str(exported() / "pairs.jsonl"), "--model", str(model())]
    words += [word for each in settings for word in ("--set", each)]
    code = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "overseer", *words]
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"}
    told = [*code, "--out", str(tmp_path / "two"), "--ui", "json"]
    done = subprocess.run(told, capture_output=True, text=True, timeout=300, check=False, env=alone)
    assert done.returncode == 0, done.stderr
    (said,) = done.stdout.splitlines()
    knobs = {"epochs": 0.5, "batch": 8, "max_length": 400, "log_every": 1}
    stages.reward_model([exported() / "pairs.jsonl"], str(model()), tmp_path / "one", RewardModel(**knobs))
    one, two = (
        [json.loads(line)["loss"] for line in (tmp_path / name / "metrics.jsonl").read_text("utf-8").splitlines()]
        for name in ("one", "two")
    )
    assert json.loads(said)["updates"] == len(one) == len(two)
    assert two[0] == pytest.approx(one[0], abs=1e-4)


# --- what goes wrong -----------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_stops_with_cause_and_step(tmp_path: Path) -> None:
    """And leaves no folder."""
    broken = make_language_model(tmp_path / "broken")
    held = weights(broken)
    held["model.norm.weight"][0] = float("nan")
    from safetensors.torch import save_file

    save_file(held, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(OverseerError, match=r"update 1: the loss is nan: weights of .*norm.weight are no numbers"):
        stages.sft([exported() / "revisions.jsonl"], str(broken), tmp_path / "made", Sft(**{**SHORT, "held_out": 0}))
    assert not (tmp_path / "made").exists()
    assert not (tmp_path / ".made.part").exists()


def test_a_model_that_came_apart_at_the_last_update_is_not_written(tmp_path: Path) -> None:
    """Losses are looked at before an update: after the last one, the weights are."""
    settings = Sft(**{**SHORT, "learning_rate": 1e38, "batch": 4, "held_out": 0.0, "epochs": 0.02})
    with pytest.raises(OverseerError, match=r"holds nan or infinities after the last update: nothing is written"):
        stages.sft([exported() / "pairs.jsonl"], str(model()), tmp_path / "made", settings)
    assert list(tmp_path.iterdir()) == []


def test_weights_and_adapters_that_cannot_be_are_one_line(tmp_path: Path) -> None:
    """Of what goes in, the input is blamed, not the disk; of modules, those that there are, are told."""
    torn = tmp_path / "torn"
    shutil.copytree(model(), torn)
    (torn / "model.safetensors").write_bytes((model() / "model.safetensors").read_bytes()[:100])
    with pytest.raises(ConfigError, match=r"torn: its weights cannot be loaded: .* \(make it again\)"):
        stages.sft([exported() / "pairs.jsonl"], str(torn), tmp_path / "made", Sft(**SHORT))
    settings = Sft(**SHORT, lora=Lora(targets=["nothing"]))
    with pytest.raises(ConfigError, match=r"lora.targets: no module is named 'nothing' \(it has .*q_proj"):
        stages.sft([exported() / "pairs.jsonl"], str(model()), tmp_path / "made", settings)


def test_rows_that_cannot_be_learned_are_counted_and_none_is_cut(tmp_path: Path) -> None:
    """Too long, or with a special token's name in them; where none is left it is one line."""
    rows = [json.loads(line) for line in (exported() / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    rows[0]["chosen"][0]["content"] = "All of it.<eos>"
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    made = stages.reward_model([path], str(model()), tmp_path / "made", RewardModel(**SHORT))
    assert made.left_out["holds a special token's name"] == 1
    assert made.rows + made.held_out + sum(made.left_out.values()) == len(rows)
    with pytest.raises(ConfigError, match="no row can be learned from"):
        stages.reward_model([path], str(model()), tmp_path / "none", RewardModel(**{**SHORT, "max_length": 5}))


def test_a_batch_that_cannot_be_cut_so_is_one_line(tmp_path: Path) -> None:
    """Micro-batches share a batch evenly."""
    with pytest.raises(ConfigError, match="is no multiple of 3 rows at once"):
        run("rm", tmp_path / "made", micro_batch=3)
    assert not (tmp_path / "made").exists()


def test_a_reward_model_is_no_policy(tmp_path: Path) -> None:
    """It writes no text: refused before anything is trained."""
    run("rm", tmp_path / "rm")
    with pytest.raises(ConfigError, match="is a reward model, which writes no text"):
        stages.dpo([exported() / "pairs.jsonl"], str(tmp_path / "rm"), tmp_path / "made", Dpo(**SHORT))
    made = stages.reward_model(
        [exported() / "pairs.jsonl"], str(tmp_path / "rm"), tmp_path / "on", RewardModel(**SHORT)
    )
    assert made.updates > 0

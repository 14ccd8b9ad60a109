"""Where TRL is not installed: PPO trains all the same, and the stages on TRL say what to install."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_language_model import make_language_model

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("accelerate", reason="accelerate is not installed")

pytestmark = pytest.mark.slow

BARE = """
import sys
for name in ("trl", "datasets", "peft"):
    sys.modules[name] = None
import torch
torch.set_num_threads(1)
from contextlib import nullcontext
from pathlib import Path
from overseer.errors import BackendMissing
from overseer.training import stages
from overseer.training.ppo_stage import Ppo, Rewarding, ppo
from overseer.training.rewards import function_reward
from overseer.training.settings import Lora, settings_of

data, model, out = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
reward = nullcontext(function_reward(lambda prompts, texts: [float(len(text)) for text in texts]))
small = {"updates": 2, "batch": 8, "minibatch": 4, "max_new_tokens": 12, "value_only_updates": 1}
rewards = Rewarding("length", "of a text", lambda asked, folder: reward)
made = ppo([data], model, rewards, out, settings_of(Ppo, small, "test"))
print(made.updates, "updates")
for stage in (
    lambda: stages.sft([data], model, out / "sft"),
    lambda: stages.dpo([data.with_name("pairs.jsonl")], model, out / "dpo"),
    lambda: ppo([data], model, model, out / "lora", settings_of(Ppo, {**small, "lora": Lora()}, "test")),
):
    try: stage()
    except BackendMissing as error: print(error)
"""


def test_ppo_needs_no_trl(tmp_path: Path) -> None:
    """In a process without TRL, datasets and peft, PPO writes its folder; whoever needs one of them says so."""
    model = make_language_model(tmp_path / "model", hidden=16)
    rows = [{"prompt": [{"role": "user", "content": f"{number} spoons?"}]} for number in range(8)]
    told = [{**row, "completion": [{"role": "assistant", "content": "Two."}]} for row in rows]
    data = tmp_path / "asked.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in told), encoding="utf-8")
    said = {"chosen": [{"role": "assistant", "content": "Two."}], "rejected": [{"role": "assistant", "content": "No."}]}
    pairs = "".join(json.dumps(row | said) + "\n" for row in rows)
    data.with_name("pairs.jsonl").write_text(pairs, encoding="utf-8")
    command = [sys.executable, "-c", BARE, str(data), str(model), str(tmp_path / "made")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "2 updates",
        "training needs datasets, peft, trl: pip install 'overseer[train]'",
        "training needs datasets, peft, trl: pip install 'overseer[train]'",
        "training needs peft: pip install 'overseer[train]'",
    ]
    assert (tmp_path / "made" / "model.safetensors").is_file()

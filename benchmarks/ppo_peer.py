"""TRL's side of `benchmarks/ppo.py`: run by the interpreter of an environment that holds TRL 1.12, which has PPO.

python benchmarks/ppo_peer.py REWARD SEED UPDATES
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import torch
from datasets import Dataset
from ppo_models import (
    BATCH,
    EOS,
    EPOCHS,
    KL,
    PAD,
    RESPONSE,
    VOCABULARY,
    Turns,
    classifier,
    policy,
    prompts,
    reward_model,
)
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast, TrainerCallback
from trl.experimental.ppo import PPOConfig, PPOTrainer


class AfterEach(TrainerCallback):
    """Takes turns after each update; the mean score is in what was logged last."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.score = float("nan")

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self.score = (logs or {}).get("objective/scores", self.score)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.turns.update_done(self.score)


def main(reward: str, seed: int, updates: int) -> None:
    torch.set_num_threads(1)
    words = Tokenizer(WordLevel({f"w{index}": index for index in range(VOCABULARY)}, unk_token="w2"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token=f"w{PAD}", eos_token=f"w{EOS}", padding_side="left"
    )
    rows = Dataset.from_dict({"input_ids": prompts(max(1_000, BATCH), seed)})
    with tempfile.TemporaryDirectory() as folder:
        settings = PPOConfig(
            output_dir=folder,
            per_device_train_batch_size=BATCH,
            gradient_accumulation_steps=1,
            num_mini_batches=1,
            num_ppo_epochs=EPOCHS,
            local_rollout_forward_batch_size=BATCH,
            total_episodes=BATCH * updates,
            response_length=RESPONSE,
            stop_token_id=EOS,
            temperature=1.0,
            kl_coef=KL[reward],
            learning_rate=3e-4,
            seed=seed,
            bf16=False,
            use_cpu=True,
            gradient_checkpointing=False,
            num_sample_generations=0,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = PPOTrainer(
            settings,
            tokenizer,
            policy(seed),
            policy(seed),
            reward_model(reward, seed),
            rows,
            classifier(seed),
            eval_dataset=rows.select(range(BATCH)),
            callbacks=[AfterEach()],
        )
        trainer.train()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

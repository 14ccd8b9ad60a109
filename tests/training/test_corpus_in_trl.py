"""A corpus of Town and a model of the ladder in TRL: the same tokens, the same places of loss, and a real step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")

from overseer.config.constitutions import load_constitution
from overseer.exports.corpus import write_corpus
from overseer.models.town_tokenizer import fit
from overseer.town.corpora import KINDS, Corpus
from overseer.training import corpora
from overseer.training.ladder import build

TOWN = Path(__file__).parent.parent.parent / "constitutions" / "town.yaml"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # theirs
def test_trl_learns_the_same_places_of_the_same_tokens(tmp_path: Path) -> None:
    """Ids and labels of TRL's collator are those of our batches, for prompt and completion and for whole messages."""
    from trl import SFTConfig, SFTTrainer

    written = write_corpus(Corpus(dict.fromkeys(KINDS, 3), load_constitution(TOWN)), tmp_path / "town.jsonl")
    told = list(corpora.told([written.path]))
    texts = list(corpora.texts(told))
    tokenizer = fit(texts, texts, sizes=(512,))[-1].tokenizer
    ours = corpora.encode(told, tokenizer, 1024)
    rows = [json.loads(line) for line in written.path.read_text(encoding="utf-8").splitlines()]
    whole = [{"messages": [*row["prompt"], *row["completion"]]} for row in rows]
    apart = [{"prompt": row["prompt"], "completion": row["completion"]} for row in rows]
    for data, options in ((apart, {}), (whole, {"assistant_only_loss": True})):
        trainer = SFTTrainer(
            build("1e4", tokenizer, 0, 1024),
            args=SFTConfig(
                str(tmp_path / "out"),
                per_device_train_batch_size=4,
                max_steps=1,
                max_length=1024,
                report_to="none",
                use_cpu=True,
                bf16=False,
                **options,
            ),
            train_dataset=datasets.Dataset.from_list(data),
            processing_class=tokenizer,
        )
        for index in range(len(rows)):
            batch = trainer.data_collator([trainer.train_dataset[index]])
            line, start = ours.line(index), int(ours.starts[index])
            assert batch["input_ids"][0].tolist() == line.tolist()
            assert batch["labels"][0].tolist() == [-100] * start + line[start:].tolist()
        before = trainer.model.lm_head.weight.clone()
        trainer.train()
        assert not torch.equal(before, trainer.model.lm_head.weight)

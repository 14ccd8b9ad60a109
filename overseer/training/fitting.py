"""One stage's work on TRL: rows made ready, weights loaded, a trainer run, a folder written.

Serves `stages`, which say what is learned; here stands what they have in common. Knows no table of data.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, isfinite
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from overseer.errors import ConfigError, OverseerError
from overseer.models import folders
from overseer.training.data import Prompt, Read
from overseer.training.held_out import drawn, split
from overseer.training.outputs import RECORD, Figure, Made, card, record, whole
from overseer.training.settings import Lora, Stage, Training
from overseer.training.tables import Origin
from overseer.training.tokens import Opened

if TYPE_CHECKING:
    from overseer.training.trl_trainers import Told

Tokens = tuple[list[int], int]
"""A prompt with an answer, and how many of the tokens are the prompt's."""


R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class Rows(Generic[R]):
    """Rows to learn from and rows held out, each with its texts' tokens; how many were left out; whence all came."""

    learned: tuple[tuple[R, tuple[Tokens, ...]], ...]
    held: tuple[tuple[R, tuple[Tokens, ...]], ...]
    left_out: Mapping[str, int]
    origins: tuple[Origin, ...]


def prepared(
    read: Read[R],
    prompt: Callable[[R], Prompt],
    texts: Callable[[R], tuple[str, ...]],
    opened: Opened,
    settings: Training,
) -> Rows[R]:
    """Rows as tokens, without those that are too long or that hold the name of a special token; then held out.

    Raises ConfigError where nothing is left.
    """
    from jinja2 import TemplateError

    longest = min(settings.max_length, opened.longest)
    ready: dict[int, tuple[Tokens, ...]] = {}
    left: Counter[str] = Counter(read.left_out)
    for at, row in enumerate(read.rows):
        asked, said = prompt(row), texts(row)
        if opened.forges((*(message.content for message in asked), *said)):
            left["holds a special token's name"] += 1
            continue
        try:
            tokens = tuple(opened.encode(asked, text) for text in said)
        except TemplateError as error:
            roles = ", ".join(message.role for message in asked)
            raise ConfigError(f"{opened.name}: its chat template refuses a prompt of {roles}: {error}") from error
        if max(len(ids) for ids, _ in tokens) > longest:
            left[f"longer than {longest} tokens"] += 1
            continue
        ready[at] = tokens
    names = ", ".join(origin.name for origin in read.origins)
    if not ready:
        why = ", ".join(f"{count} {reason}" for reason, count in left.items() if count)
        remedy = "raise max_length, or " if left[f"longer than {longest} tokens"] and longest < opened.longest else ""
        raise ConfigError(f"{names}: no row can be learned from ({why}: {remedy}bring other data)")
    kept = [at for at in range(len(read.rows)) if at in ready]
    learned, held = split([prompt(read.rows[at]) for at in kept], settings.held_out, settings.seed)

    def both(places: Sequence[int]) -> tuple[tuple[R, tuple[Tokens, ...]], ...]:
        return tuple((read.rows[kept[place]], ready[kept[place]]) for place in places)

    return Rows(both(learned), both(held), +left, read.origins)


# --- work ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """A stage under way, in one process of perhaps several. `folder` is where it writes."""

    stage: Stage
    out: Path
    folder: Path
    opened: Opened
    settings: Any
    state: Any
    told: Told | None
    begun: float
    rewarded_by: tuple[str, str] | None = None
    """Name and hash of what a stage learns rewards from."""

    @property
    def pad(self) -> int:
        return int(self.opened.tokenizer.pad_token_id)

    @property
    def sources(self) -> dict[str, str]:
        """The models that go in, by name and hash."""
        found = {"trained from": self.opened.name, "its SHA-256": self.opened.hash}
        if self.rewarded_by is not None:
            name, digest = self.rewarded_by
            found |= {"rewarded by": name, "the reward's SHA-256": digest}
        return found

    @property
    def micro(self) -> int:
        """Rows on a device at once."""
        return int(self.settings.micro_batch or max(1, self.settings.batch // self.state.num_processes))

    def loaded(self, kind: str, opened: Opened | None = None, **options: Any) -> Any:
        """The model's weights, or another's, in fp32 but under LoRA, on the device; what lacks is drawn by the seed."""
        import torch
        import transformers
        from safetensors import SafetensorError

        transformers.set_seed(self.settings.seed)
        half = self.settings.lora is not None and self._is_half()
        opened = opened or self.opened
        try:
            model = getattr(transformers, kind).from_pretrained(
                opened.folder,
                dtype=torch.bfloat16 if half else torch.float32,
                use_safetensors=True,
                local_files_only=True,
                **options,
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            reason = str(error).strip().partition("\n")[0]
            raise ConfigError(f"{opened.name}: its weights cannot be loaded: {reason} (make it again)") from error
        model.config.get_text_config().pad_token_id = self.pad
        return model.to(self.state.device)

    def _is_half(self) -> bool:
        import torch

        if self.settings.precision == "auto":
            return bool(self.state.device.type == "cuda" and torch.cuda.is_bf16_supported())
        return bool(self.settings.precision == "bf16")

    def trained(
        self,
        model: Any,
        table: Sequence[Mapping[str, Any]],
        weights: Sequence[float] | None,
        prepare: Callable[[Any], None] = lambda _: None,
        **options: Any,
    ) -> tuple[Any, int]:
        """The model as the stage's trainer leaves it, and after how many updates. `weights`: draw rows by them.

        `prepare` is shown the trainer before it starts; `options` go to its configuration.
        """
        import datasets
        from transformers import PrinterCallback

        from overseer.training import trl_trainers
        from overseer.training.monitor import Log

        rows, epochs = datasets.Dataset.from_list(list(table)), self.settings.epochs
        if weights is not None:
            rows, epochs = rows.select(drawn(weights, epochs, self.settings.seed)), 1.0
        main = self.state.is_main_process
        trainer, config = trl_trainers.TRAINERS[self.stage]
        with trl_trainers.without_bars(), Log(self.folder if main else None, 0) as log:
            made = trainer(
                model=model,
                args=config(**self._arguments(epochs, len(rows)), **options),
                train_dataset=rows,
                processing_class=self.opened.tokenizer,
                peft_config=adapters(self.settings.lora, self.stage, model),
                **({"data_collator": trl_trainers.Weighing(self.pad)} if self.stage == "rm" else {}),
            )
            prepare(made)
            made.remove_callback(PrinterCallback)
            made.add_callback(trl_trainers.Telling(log, self.told))
            made.train()
        return made.accelerator.unwrap_model(made.model).eval(), made.state.global_step

    def _arguments(self, epochs: float, rows: int) -> dict[str, Any]:
        settings, micro = self.settings, self.micro
        updates = ceil(rows / settings.batch * epochs)
        together = micro * self.state.num_processes
        if settings.batch % together:
            raise ConfigError(f"batch: {settings.batch} is no multiple of {together} rows at once (change micro_batch)")
        return {
            "output_dir": str(self.folder),
            "num_train_epochs": epochs,
            "per_device_train_batch_size": micro,
            "gradient_accumulation_steps": settings.batch // together,
            "learning_rate": settings.learning_rate,
            "lr_scheduler_type": {"constant": "constant_with_warmup"}.get(settings.schedule, settings.schedule),
            "warmup_steps": int(settings.warmup * updates),  # a share is rounded up: the first update is at rate 0
            "adam_beta2": settings.beta2,
            "weight_decay": settings.weight_decay,
            "max_grad_norm": settings.clip,
            "bf16": self._is_half(),
            "use_cpu": self.state.device.type == "cpu",
            "gradient_checkpointing": settings.gradient_checkpointing,
            "seed": settings.seed,
            "max_length": None,  # longer rows are left out already
            "save_strategy": "no",  # Trainer's own files hold pickles
            "eval_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "logging_steps": settings.log_every,
            "logging_first_step": True,
            "logging_nan_inf_filter": False,
            "ddp_find_unused_parameters": False,  # there are none, and to look costs a pass over the graph
            "dataloader_pin_memory": self.state.device.type == "cuda",
        }

    def _check_sound(self, model: Any, figures: Mapping[str, Figure]) -> None:
        """Raises OverseerError for a model that is none: losses are looked at before an update, not after the last."""
        broken = [name for name, part in model.named_parameters() if not bool(part.isfinite().all())]
        # PPO's figures are of its rollouts; in its last round perhaps nobody could judge.
        unknown = [name for name, each in figures.items() if each.value is not None and not isfinite(each.value)]
        if broken or (unknown and self.stage != "ppo"):
            what = f"{broken[0]} holds nan or infinities" if broken else f"{unknown[0]} is no number on held-out rows"
            raise OverseerError(f"{self.out}: {what} after the last update: nothing is written (lower learning_rate)")

    def saved(self, model: Any, rows: Rows[Any], updates: int, figures: Mapping[str, Figure], command: str) -> Made:
        """Write weights, tokenizer, record and card; adapters are merged if the settings say so."""
        lora = self.settings.lora
        made = Made(
            self.stage,
            self.out,
            len(rows.learned),
            len(rows.held),
            rows.left_out,
            updates,
            perf_counter() - self.begun,
            figures,
        )
        if not self.state.is_main_process:
            return made
        self._check_sound(model, figures)
        model = model.merge_and_unload() if lora is not None and lora.merge else model
        model.save_pretrained(self.folder)
        self.opened.tokenizer.save_pretrained(self.folder)
        own = self.opened.folder / folders.OWN
        if self.stage != "rm" and own.is_file():  # how the model is spoken to has not changed
            shutil.copy(own, self.folder / folders.OWN)
        told = record(made, self.sources, self.settings.model_dump(mode="json"), rows.origins, command)
        (self.folder / RECORD).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        (self.folder / "README.md").write_text(card(told), encoding="utf-8")
        return made


@contextmanager
def work(
    stage: Stage,
    out: Path,
    opened: Opened,
    settings: Any,
    *,
    replace: bool,
    told: Told | None,
    rewarded_by: tuple[str, str] | None = None,
) -> Iterator[Work]:
    """A stage's work, and a folder for it that takes its name at the end; of several processes the first one writes.

    Raises OverseerError where memory or the disk is too small.
    """
    import torch
    from accelerate import PartialState
    from safetensors import SafetensorError

    kind = "ForSequenceClassification"
    if stage != "rm" and any(name.endswith(kind) for name in opened.config.architectures or ()):
        raise ConfigError(f"{opened.name}: is a reward model, which writes no text (give a language model)")
    state, begun = PartialState(cpu=not torch.cuda.is_available()), perf_counter()
    try:
        with quiet():
            if state.is_main_process:
                with whole(out, replace=replace) as folder:
                    yield Work(stage, out, folder, opened, settings, state, told, begun, rewarded_by)
            else:
                part = out.with_name(f".{out.name}.part")
                yield Work(stage, out, part, opened, settings, state, None, begun, rewarded_by)
    except torch.OutOfMemoryError as error:
        raise OverseerError(
            f"{out}: the device's memory is too small (lower micro_batch, set gradient_checkpointing, or use lora)"
        ) from error
    except SafetensorError as error:
        raise OverseerError(
            f"{out}: weights cannot be written: {error} (make room, or choose another place)"
        ) from error
    state.wait_for_everyone()


@contextmanager
def quiet() -> Iterator[None]:
    """While this lasts, the libraries show no bars and no hints on stderr, which is for what the user must know.

    Nor what they will rename in versions to come: TRL and transformers tell each other.
    """
    import transformers

    logging: Any = transformers.logging
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()


def adapters(lora: Lora | None, stage: Stage, model: Any) -> Any:
    """What peft is told of a model's adapters. Raises ConfigError for targets that the model has not."""
    if lora is None:
        return None
    from peft import LoraConfig

    names = {name.rpartition(".")[2] for name, part in model.named_modules() if hasattr(part, "weight")}
    wanted = [] if isinstance(lora.targets, str) else lora.targets
    if absent := [each for each in wanted if each.rpartition(".")[2] not in names]:
        raise ConfigError(f"lora.targets: no module is named {absent[0]!r} (it has {', '.join(sorted(names))})")

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
        modules_to_save=["score"] if stage == "rm" else None,  # the scalar head is new, and learned whole
        task_type="SEQ_CLS" if stage == "rm" else "CAUSAL_LM",
    )

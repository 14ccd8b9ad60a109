"""`overseer train pretrain`: a model of the ladder, fresh or begun, learns corpora of Town."""

from __future__ import annotations

from pathlib import Path

import click

from overseer.cli.console import say
from overseer.cli.exits import OK
from overseer.errors import BackendMissing
from overseer.reports.safe import safe


@click.command(name="pretrain")
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--size", required=True, help="A rung of the ladder: 1e4, 1e5, 1e6, 1e7 or 1e8 parameters.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The model's folder; not there yet.")
@click.option(
    "--tokenizer", type=click.Path(path_type=Path), help="A folder with one, or a corpus to fit one to; else DATA."
)
@click.option("--start", type=click.Path(path_type=Path), help="A model of this size to learn on; else a fresh one.")
@click.option("--epochs", type=float, default=1.0, show_default=True, help="Passes over the corpora.")
@click.option("--batch", type=click.IntRange(min=1), default=64, show_default=True, help="Lines an update.")
@click.option("--rate", type=float, help="The highest learning rate; else what the size takes.")
@click.option("--longest", type=click.IntRange(min=2), default=1024, show_default=True, help="Tokens read at most.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; the last bits of the weights hang on them.")
@click.option("--device", default="cpu", show_default=True, help="cpu, or cuda.")
@click.option("--bf16", is_flag=True, help="Compute in bfloat16; weights stay in float32.")
@click.option("--snapshot-every", type=click.IntRange(min=0), default=500, show_default=True, help="Updates; 0: never.")
def command(
    data: tuple[Path, ...],
    size: str,
    out: Path,
    tokenizer: Path | None,
    start: Path | None,
    epochs: float,
    batch: int,
    rate: float | None,
    longest: int,
    seed: int,
    threads: int | None,
    device: str,
    bf16: bool,
    snapshot_every: int,
) -> int:
    """Train a model on corpora (`overseer town corpus`) into a folder that transformers loads.

    A run that was stopped goes on when the same command is given again.
    """
    try:
        import torch

        from overseer.training.pretrain import Settings, pretrain
    except ModuleNotFoundError as error:
        raise BackendMissing(f"training needs {error.name}: pip install 'overseer[train]'") from None
    if threads is not None:
        torch.set_num_threads(threads)
    settings = Settings(
        size,
        epochs=epochs,
        batch=batch,
        rate=rate,
        seed=seed,
        longest=longest,
        bf16=bf16,
        device=device,
        snapshot_every=snapshot_every,
    )
    made = pretrain(data, out, settings, tokenizer=tokenizer, start=start, progress=_tell)
    left = f"; {made.too_long} longer lines left out" if made.too_long else ""
    say(
        f"{safe(str(made.path))}: {made.parameters:,} parameters and {made.embeddings:,} of embeddings, "
        f"{made.updates:,} updates, {made.tokens:,} tokens, {made.seconds:.0f} s, loss {made.loss:.3f}{left}"
    )
    return OK


def _tell(done: int, of: int, loss: float, speed: float) -> None:
    if done % 250 == 0 or done == of:
        say(f"update {done:,} of {of:,}: loss {loss:.3f}, {speed:,.0f} tokens a second")

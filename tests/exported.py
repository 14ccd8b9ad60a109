"""A small run of Town, exported in every table and both formats: what training reads, made once a session."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from overseer import api
from overseer.exports.tables import What

WHATS: tuple[What, ...] = ("pairs", "revisions", "critiques", "steps")
_ROOT = Path(__file__).parent.parent


@cache
def exported() -> Path:
    """A folder with `pairs.jsonl`, `pairs.parquet` and so on, each with its card. Nobody writes to it."""
    folder = Path(mkdtemp(prefix="exported-"))
    run = api.run(_ROOT / "hierarchies" / "flat_cai.yaml", count=40, seed=3, out=str(folder / "runs"))
    for what in WHATS:
        api.export(run.path, what, folder / f"{what}.jsonl", "jsonl")
        api.export(run.path, what, folder / f"{what}.parquet", "parquet")
    return folder

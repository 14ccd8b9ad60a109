"""A review board in small: a run of recorded answers that wait for two persons, with a judge's word on each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from small_files import RECORDED, hierarchy

from overseer import api
from overseer.records import Critique, Finding, Request
from overseer.runs import Run

JUDGE = "  critic: {model: python/judge, authority: 4}"
LOOKS = "oversees: [{who: critic, whom: policy}]"
HARMFUL = Finding("enable_no_misuse", 4, "Take it all.", "remove")


def board(*, seats: int = 2, stage: str = "", timeout: str = "") -> str:
    """A judge below a board of so many; `stage` goes on about the board's stage (`, budget: {reviews: 2}`)."""
    human = f"human: {{persons: {seats}{timeout}}}"
    return RECORDED.replace(
        JUDGE, f"  critic: {{model: python/judge, authority: 2}}\n  board: {{{human}, authority: 4}}"
    ).replace(LOOKS, f"oversees: [{{who: critic, whom: policy}}, {{who: board, whom: critic{stage}}}]")


def row(id_: str, response: str = "So.", prompt: str = "How?") -> dict[str, str]:
    return {"id": id_, "prompt": prompt, "response": response}


async def judge(request: Request) -> Critique:
    """Approves, but of what says to take it all; unsure of what is split."""
    text = request.draft.text  # type: ignore[union-attr]  # it is asked for critiques alone
    if "Take it all." in text:
        return Critique("reject", (HARMFUL,), 0.8, "That would kill.")
    return Critique("approve", (), 0.9, "Nothing against it.")


def waiting(
    folder: Path, rows: Sequence[Mapping[str, str]] = (row("a"), row("b")), text: str | None = None, seed: int = 1
) -> Run:
    """A run whose every task waits for the board; nobody writes it any more."""
    path = hierarchy(folder, board() if text is None else text)
    (folder / "rows.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    return api.run(path, out=folder / "runs", seed=seed, reviewers={"critic": judge})


def taken_up(run: Run) -> Run:
    """The run after a session that takes up what lies in its inbox."""
    return api.resume(run.path, reviewers={"critic": judge})

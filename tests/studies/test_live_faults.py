"""PPO under a live hierarchy: killed, it goes on as if it had not been; two processes are judged as one is.

Two kills; `OVERSEER_FULL=1` makes all twenty.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("accelerate", reason="accelerate is not installed")

from exported import exported
from faults_driver import FULL
from live_driver import (
    SEEN_BY_PLACE,
    THREE,
    decode,
    prompts,
    run_live,
    run_live_beside,
    run_live_until_killed,
    settings,
)
from ppo_driver import EOS, weights
from safetensors.torch import load_file
from tiny_language_model import make_language_model, one_thread  # noqa: F401  # a fixture

from overseer.cli import dispatch
from overseer.config.hierarchies import load_hierarchy
from overseer.studies.live import LiveOversight
from overseer.studies.live_reward import LiveReward
from overseer.training.rewards import Rollouts, ask

KILLS = 20 if FULL else 2
UPDATES = 25 if FULL else 5


@pytest.fixture(scope="module")
def processes() -> Any:
    """Processes that have loaded everything and done nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["live_driver", "transformers.models.llama.modeling_llama", "accelerate"])
    return context


def told(folder: Path) -> dict[str, list[str]]:
    """Every round's verdicts, as they lie in the folder."""
    return {
        path.name: path.read_text(encoding="utf-8").splitlines() for path in sorted((folder / "verdicts").iterdir())
    }


def metrics(folder: Path) -> list[dict[str, float]]:
    """What was told of each round, but for how long it took."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{name: number for name, number in row.items() if not name.startswith("seconds/")} for row in rows]


@pytest.mark.slow
def test_a_live_run_killed_again_and_again_ends_with_the_same_weights(processes: Any, tmp_path: Path) -> None:
    """SIGKILL in random rounds, at verdicts, metrics and snapshots: the same weights bit for bit, the same records."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    made, _ = run_live(settings(UPDATES), whole)
    chosen = random.Random(7)
    for update in sorted(chosen.sample(range(UPDATES), KILLS)):
        event, count = chosen.choice([("open", 1), ("open", 2), ("open", 3), ("os.rename", 1), ("os.rename", 2)])
        process = processes.Process(target=run_live_until_killed, args=(str(broken), update, event, count, UPDATES))
        process.start()
        process.join()
        assert process.exitcode == -9
    ended, _ = run_live(settings(UPDATES), broken)
    assert all(torch.equal(one, weights(ended)[name]) for name, one in weights(made).items())
    assert told(broken) == told(whole)
    assert metrics(broken) == metrics(whole)
    assert len({row["score"] for row in metrics(whole)}) > 1, "rewards that tell rollouts apart"


@pytest.mark.slow
def test_two_processes_are_rewarded_as_one_is(processes: Any, tmp_path: Path) -> None:
    """Each judges its share: every rollout earns what it would alone, and what is learned differs by rounding only."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = tmp_path / "both"
    both.mkdir()
    pair = [processes.Process(target=run_live_beside, args=(rank, port, str(both), 3)) for rank in range(2)]
    for process in pair:
        process.start()
    for process in pair:
        process.join(90)
    assert [process.exitcode for process in pair] == [0, 0]
    made, alone = run_live(settings(3), tmp_path / "alone")
    earned: dict[tuple[int, int], float] = {}
    for rank in range(2):
        held = json.loads((both / f"earned{rank}.json").read_text(encoding="utf-8"))
        shared = {(update, place): score for update, place, score in held}
        assert shared.keys().isdisjoint(earned)
        earned |= shared
    assert earned == alone.earned
    first, second = (load_file(both / f"weights{rank}.safetensors") for rank in range(2))
    assert all(torch.equal(one, second[name]) for name, one in first.items())
    assert all(torch.allclose(one, first[name], atol=2e-4) for name, one in weights(made).items())
    for update in range(3):
        parts = [told(both / "run")[f"update-{update:05d}{end}.jsonl"][1:] for end in ("", ".1")]
        assert [*parts[0], *parts[1]] == told(tmp_path / "alone")[f"update-{update:05d}.jsonl"][1:]


def test_a_part_of_a_round_is_judged_as_in_the_whole(tmp_path: Path) -> None:
    """A board that looks at every third place looks at the same rollouts, whoever is asked beside them, or left out."""
    asked = prompts()
    whole = Rollouts(asked, tuple((2 + place, 9, EOS) for place in range(len(asked))), 0, decode)
    parts = [range(12), range(6), range(6, 12), (1, 4, 11)]
    with LiveOversight(load_hierarchy(THREE, SEEN_BY_PLACE), 0) as oversight:
        for number, rows in enumerate(parts):
            ask(LiveReward(oversight, record=tmp_path / str(number)), whole.only(rows))
    first, *others = [told(tmp_path / str(number))["update-00000.jsonl"][1:] for number in range(len(parts))]
    for rows, found in zip(parts[1:], others, strict=True):
        assert found == [first[row] for row in rows]


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_the_command_in_two_processes_is_rewarded_as_in_one(tmp_path: Path) -> None:
    """By torchrun, on a language model's folder: one report, one folder; verdicts are those of one process."""
    pytest.importorskip("trl", reason="trl is not installed")
    base, asked = make_language_model(tmp_path / "base", hidden=16), exported() / "critiques.jsonl"
    knobs = ["updates=2", "value_only_updates=1", "batch=8", "minibatch=8", "max_new_tokens=12", "missing_eos=null"]
    words = ["train", "ppo", "--prompts", str(asked), "--model", str(base), "--hierarchy", str(THREE), "--ui", "json"]
    words += [word for knob in knobs for word in ("--set", knob)]
    code = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "overseer", *words]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = [*code, "--out", str(tmp_path / "two")]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300, check=False, env=alone)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert dispatch([*words, "--out", str(tmp_path / "one")]) == 0
    one, two = told(tmp_path / "one"), told(tmp_path / "two")
    for update in range(2):
        parts = [two[f"update-{update:05d}{end}.jsonl"][1:] for end in ("", ".1")]
        assert [*parts[0], *parts[1]] == one[f"update-{update:05d}.jsonl"][1:]

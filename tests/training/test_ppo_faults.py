"""Training that is killed goes on as if it had not been; two processes learn what one learns.

Three kills; `OVERSEER_FULL=1` makes all twenty.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import socket
import warnings
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("accelerate", reason="accelerate is not installed")

from faults_driver import FULL
from ppo_driver import favours, prompts, run, run_beside, run_until_killed, small, tiny_llama, weights
from safetensors.torch import load_file

from overseer.errors import ConfigError, OverseerError
from overseer.training import snapshots
from overseer.training.rewards import Rollouts

KILLS = 20 if FULL else 3
UPDATES = 25 if FULL else 8


@pytest.fixture(scope="module")
def processes() -> Any:
    """Processes that have loaded everything and done nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ppo_driver", "transformers.models.llama.modeling_llama", "accelerate"])
    return context


def metrics(folder: Path) -> list[dict[str, float]]:
    """What was told of each round, but for how long it took."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{name: number for name, number in row.items() if not name.startswith("seconds/")} for row in rows]


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_with_the_same_weights(processes: Any, tmp_path: Path) -> None:
    """SIGKILL between rounds, while a snapshot is written and while it is put in place: bit for bit the same."""
    whole = run(small(updates=UPDATES), folder=tmp_path / "whole")
    broken = tmp_path / "broken"
    chosen = random.Random(5)
    for _ in range(KILLS):
        event, count = chosen.choice([("reward", 1), ("reward", 2), ("reward", 3), ("os.rename", 1), ("open", 9)])
        process = processes.Process(
            target=run_until_killed, args=(str(broken), event, chosen.randint(1, count), UPDATES)
        )
        process.start()
        process.join()
        assert process.exitcode == -9
    done = len(snapshots.snapshots(broken / "snapshots")) and snapshots.newest(broken / "snapshots")
    assert done
    assert 0 < done.updates < UPDATES, "killed in the middle"
    ended = run(small(updates=UPDATES), folder=broken)
    assert all(torch.equal(one, weights(ended)[name]) for name, one in weights(whole).items())
    assert metrics(broken) == metrics(tmp_path / "whole")


@pytest.mark.slow
def test_a_run_that_a_reward_stopped_goes_on(tmp_path: Path) -> None:
    """Nothing is lost: the rounds before are kept, though no snapshot was due."""
    calls = 0

    def reward(rollouts: Rollouts) -> list[float]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise TimeoutError("the judge is away")
        return favours(rollouts)

    config = small(updates=4, snapshot_every=100, missing_eos=None)
    with pytest.raises(OverseerError, match="update 2: reward: raised TimeoutError: the judge is away"):
        run(config, folder=tmp_path / "stopped", reward=reward)
    resumed = run(config, folder=tmp_path / "stopped", reward=reward)
    assert calls == 5
    unbroken = run(config, folder=tmp_path / "unbroken")
    assert all(torch.equal(one, weights(resumed)[name]) for name, one in weights(unbroken).items())
    assert [row["update"] for row in resumed.rows] == [0, 1, 2, 3]


@pytest.mark.slow
def test_a_damaged_snapshot_is_passed_over(tmp_path: Path) -> None:
    """The last good one is read, with a warning that names the other; the run ends with the same weights."""
    whole = run(small(), folder=tmp_path)
    newest = snapshots.snapshots(tmp_path / "snapshots")[-1]
    held = bytearray((newest / snapshots.TENSORS).read_bytes())
    held[-3] ^= 1
    (newest / snapshots.TENSORS).write_bytes(held)
    with pytest.warns(UserWarning, match=r"update-00000004: damaged: .*: the one before it is read"):
        again = run(small(), folder=tmp_path)
    assert all(torch.equal(one, weights(again)[name]) for name, one in weights(whole).items())


@pytest.mark.slow
def test_resuming_on_another_machine_warns_once(tmp_path: Path) -> None:
    """It names what differs."""
    run(small(updates=2), folder=tmp_path)
    for place in snapshots.snapshots(tmp_path / "snapshots"):
        told = json.loads((place / snapshots.STATE).read_text(encoding="utf-8"))
        told["machine"] |= {"threads": "64", "torch": "1.0"}
        (place / snapshots.STATE).write_text(json.dumps(told), encoding="utf-8")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(small(updates=2), folder=tmp_path)
    assert len(caught) == 1
    assert f"threads 64 → 1, torch 1.0 → {torch.__version__}" in str(caught[0].message)


@pytest.mark.slow
def test_a_resumed_run_is_the_run_that_was_begun(tmp_path: Path) -> None:
    """Other settings, another policy or other prompts are refused by name; how often to save may change."""
    run(small(updates=2), folder=tmp_path)
    with pytest.raises(ConfigError, match=r"learning_rate, epochs changed since this run began|epochs, learning_rate"):
        run(small(updates=2, epochs=3, learning_rate=1e-4), folder=tmp_path)
    with pytest.raises(ConfigError, match="policy, reference changed since this run began"):
        run(small(updates=2), folder=tmp_path, policy=tiny_llama(9))
    run(small(updates=2, snapshot_every=3), folder=tmp_path)
    assert len(prompts()) == 12


@pytest.mark.slow
def test_old_snapshots_are_removed_and_nothing_is_pickled(tmp_path: Path) -> None:
    """Two are kept; each holds safetensors and JSON, nothing else."""
    run(small(), folder=tmp_path)
    held = snapshots.snapshots(tmp_path / "snapshots")
    assert [place.name for place in held] == ["update-00000003", "update-00000004"]
    assert {path.name for place in held for path in place.iterdir()} == {snapshots.TENSORS, snapshots.STATE}


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(OverseerError, match=r"taken/metrics.jsonl: cannot be written: .* \(make room, then resume\)"):
        run(small(), folder=tmp_path / "taken")
    with pytest.raises(OverseerError, match=r"update-00000001: cannot be written"):
        snapshots.write(tmp_path / "taken", 1, {"one": torch.zeros(2)}, {}, {})


def beside(processes: Any, folder: Path, settings: dict[str, Any], fails: int | None = None) -> None:
    """Two processes train together, to their ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir()
    both = [processes.Process(target=run_beside, args=(rank, port, settings, str(folder), fails)) for rank in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"micro_batch": 3, "kl_target": 0.1}], ids=["plain", "micro"])
def test_two_processes_learn_what_one_learns(processes: Any, tmp_path: Path, settings: dict[str, Any]) -> None:
    """The same rollouts, shared out, and the same steps: weights differ by rounding, and between the two not at all."""
    config = {"updates": 4, "batch": 12, "minibatch": 5, "missing_eos": None, "learning_rate": 1e-3, **settings}
    beside(processes, tmp_path / "both", config)
    first, second = (load_file(tmp_path / "both" / f"weights{rank}.safetensors") for rank in range(2))
    assert all(torch.equal(one, second[name]) for name, one in first.items())
    alone = run(small(**config))
    assert all(torch.allclose(one, first[name], atol=2e-4) for name, one in weights(alone).items())
    told = metrics(tmp_path / "both" / "run")
    assert [row["score"] for row in told] == pytest.approx([row["score"] for row in alone.rows], abs=1e-4)


@pytest.mark.slow
def test_one_processs_failure_ends_both(processes: Any, tmp_path: Path) -> None:
    """Neither waits for the other for ever; each says what it knows."""
    beside(processes, tmp_path / "both", {"missing_eos": None}, fails=1)
    assert (tmp_path / "both" / "error0").read_text(encoding="utf-8") == (
        "update 0: reward: failed in another process (its message says why)"
    )
    assert "raised KeyError: 'lost'" in (tmp_path / "both" / "error1").read_text(encoding="utf-8")

"""How fast PPO goes, beside TRL 1.12's: updates of 64 rollouts of 32 tokens, four epochs, one thread.

python benchmarks/ppo.py --trl PYTHON [--updates N] [--modes …] [--until .40 --seeds 3]

PYTHON: the interpreter of an environment with torch 2.13 (a CPU build) and trl 1.12, the last with PPO:
`python -m venv V && V/bin/pip install torch==2.13.0 && V/bin/pip install 'trl==1.12.*'`; then `--trl V/bin/python`, or
the environment variable TRL_PYTHON. Every program is a process of its own, on one thread; after three updates of
warm-up each they take turns, an update each, so that whatever else the machine does falls on all alike. Told are the
median seconds of an update, and episodes a second of processor time, which on one thread is what a quiet machine takes;
last the ratio of the best mode to TRL. Without TRL: ours, no ratio.

--until: instead, updates and processor seconds until the mean score of an update reaches this, with a reward that can
be learned, for each seed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
MODES = ("separate-fp32", "shared-fp32", "shared-bf16")
MOST = 400
"""Updates after which a score counts as never reached."""


def ours(mode: str, reward: str, seed: int, updates: int) -> None:
    """One of our programs."""
    import torch
    from ppo_models import BATCH, EOS, EPOCHS, KL, PAD, RESPONSE, Turns, classifier, policy, prompts, reward_model

    from overseer.training.generation import Prompt
    from overseer.training.networks import value_from_reward
    from overseer.training.ppo import PpoConfig, train_ppo
    from overseer.training.rewards import Rollouts, model_reward

    torch.set_num_threads(1)
    trunk, _, precision = mode.partition("-")
    rewards, turns = model_reward(reward_model(reward, seed), pad=PAD), Turns()

    def timed(rollouts: Rollouts) -> Any:
        # From one reward to the next is one update: the rest of this round, and the next one's generation.
        scores = rewards(rollouts)
        turns.update_done(float(scores.mean()))
        return scores

    config = PpoConfig(
        seed=seed,
        updates=updates,
        batch=BATCH,
        max_new_tokens=RESPONSE,
        missing_eos=None,
        kl_coefficient=KL[reward],
        epochs=EPOCHS,
        minibatch=BATCH,
        micro_batch=32,  # of like length: less padding, and what a pass keeps fits in the cache
        learning_rate=3e-4,
        value_learning_rate=3e-4 if trunk == "separate" else 1e-3,
        final_learning_rate=0.0,
        value_only_updates=0,
        precision="bf16" if precision == "bf16" else "fp32",
    )
    asked = [Prompt(str(index), tuple(tokens)) for index, tokens in enumerate(prompts(1_000, seed))]
    value = value_from_reward(classifier(seed)) if trunk == "separate" else None
    train_ppo(config, policy(seed), asked, timed, eos=EOS, pad=PAD, value=value)


def started(program: str, trl: str | None, reward: str, seed: int, updates: int) -> subprocess.Popen[str]:
    """A program as a process that waits for its turns."""
    if program == "trl":
        assert trl is not None
        command = [trl, str(HERE / "ppo_peer.py"), reward, str(seed), str(updates)]
    else:
        command = [sys.executable, __file__, "--worker", program, reward, str(seed), str(updates)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), str(HERE)])
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if not os.environ.get("PPO_LOUD") else None,
        text=True,
        env=environment,
    )


def turn(process: subprocess.Popen[str]) -> tuple[float, float, float] | None:
    """Wait for an update's end: wall seconds, processor seconds, mean score. None: the program has ended."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("update "):
            _, wall, cpu, score = line.split()
            return float(wall), float(cpu), float(score)
    return None


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def speed(programs: Sequence[str], trl: str | None, reward: str, updates: int) -> None:
    """All programs, taking turns."""
    from ppo_models import BATCH, WARM_UP

    running = {name: started(name, trl, reward, 0, WARM_UP + updates + 2) for name in programs}
    walls: dict[str, list[float]] = {name: [] for name in programs}
    cpus: dict[str, list[float]] = {name: [] for name in programs}
    # All first updates are waited for before any second begins: nobody works while another is timed.
    for number in range(WARM_UP + updates):
        for name, process in running.items():
            if number:
                go_on(process)
            found = turn(process)
            if found is None:
                raise SystemExit(f"{name}: ended before its time (PPO_LOUD=1 shows what it says)")
            print(f"update {number} {name}: {found[0]:.2f} s, of processor {found[1]:.2f} s", file=sys.stderr)
            if number >= WARM_UP:
                walls[name].append(found[0])
                cpus[name].append(found[1])
    for process in running.values():
        process.kill()
        process.wait()
    print(f"{'program':14} {'seconds an update':>18} {'(processor)':>12} {'episodes a second':>18}")
    for name in programs:
        cpu = median(cpus[name])
        print(f"{name:14} {median(walls[name]):18.3f} {cpu:12.3f} {BATCH / cpu:18.1f}")
    if "trl" in programs:
        ratios = {name: median(cpus["trl"]) / median(cpus[name]) for name in programs if name != "trl"}
        for name, ratio in ratios.items():
            print(f"{name}: {ratio:.2f} x TRL")
        print(f"ratio {max(ratios.values()):.2f}")


def learning(programs: Sequence[str], trl: str | None, until: float, seeds: int) -> None:
    """Each program on each seed, one after the other, until its score is reached."""
    reached: dict[str, list[float]] = {name: [] for name in programs}
    for seed in range(seeds):
        for name in programs:
            process = started(name, trl, "share", seed, MOST)
            cpu, updates = 0.0, 0
            while (found := turn(process)) is not None:
                cpu, updates = cpu + found[1], updates + 1
                print(f"seed {seed} {name}: update {updates}, score {found[2]:.3f}, {cpu:.0f} s", file=sys.stderr)
                if found[2] >= until:
                    break
                go_on(process)
            process.kill()
            process.wait()
            reached[name].append(cpu if found is not None else float("inf"))
            print(f"seed {seed} {name:14} score {until:.2f} after {updates} updates, {cpu:.0f} s", flush=True)
    for name in programs:
        print(f"{name:14} median {median(reached[name]):.0f} s (n={seeds} seeds)")


def main() -> None:
    """Parse, then measure."""
    if sys.argv[1:2] == ["--worker"]:
        ours(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=10)
    parser.add_argument("--trl", default=os.environ.get("TRL_PYTHON"))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--reward", choices=("classifier", "share"), default="classifier")
    parser.add_argument("--until", type=float)
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    programs = [*chosen.modes, *(["trl"] if chosen.trl else [])]
    sys.path.insert(0, str(HERE))
    if chosen.until is not None:
        learning(programs, chosen.trl, chosen.until, chosen.seeds)
    else:
        speed(programs, chosen.trl, chosen.reward, chosen.updates)


if __name__ == "__main__":
    main()

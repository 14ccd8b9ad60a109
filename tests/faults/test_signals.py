"""Stopped from outside at any instant, or resumed by several at once: in time, by one owner, with nothing lost.

A tenth of the counts; `OVERSEER_FULL=1` runs them whole.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import time
from multiprocessing.queues import Queue
from pathlib import Path

import pytest
from command_line import hash_of, heard, running
from faults_driver import FULL, PROCESSES, in_time, rare, started
from small_files import CRITIC, RECORDED, SMALL, hierarchy, runs_in

from overseer import api
from overseer.errors import JournalError
from overseer.journal.chain import JOURNAL
from overseer.records import Critique, Request

pytestmark = pytest.mark.slow
TIMES = 100 if FULL else 10
COUNT = 400
STOPS = (signal.SIGINT, signal.SIGTERM)
ENDED, STOPPED = 0, 130


def ended_within(process: subprocess.Popen[str], seconds: float) -> float:
    """How long it takes from now on; fails after a minute."""
    began = time.monotonic()
    process.communicate(timeout=60)
    took = time.monotonic() - began
    assert in_time(took, seconds)
    return took


def test_a_stop_at_any_instant_is_obeyed_and_loses_nothing(tmp_path: Path) -> None:
    """From the first import to the last line: the process is gone within 10 s, and its run can be ended as it was."""
    path, out = hierarchy(tmp_path), tmp_path / "runs"
    began = time.monotonic()
    with running("run", str(path), "--seed", "1", "--count", str(COUNT), "--out", str(out)) as process:
        process.communicate(timeout=60)
    length = time.monotonic() - began
    expected = hash_of(runs_in(out)[0])
    chance, longest, midway, codes = random.Random(5), 0.0, 0, set[int | None]()
    for trial in range(TIMES):
        out = tmp_path / f"runs{trial}"
        with running("run", str(path), "--seed", "1", "--count", str(COUNT), "--out", str(out)) as process:
            try:
                process.wait(timeout=length * chance.random() ** 0.5)  # later ones oftener: imports come first
            except subprocess.TimeoutExpired:
                process.send_signal(STOPS[trial % 2])
            longest = max(longest, ended_within(process, 10))
        codes.add(process.returncode)
        begun = [run for run in runs_in(out) if (run / JOURNAL).exists()]
        if begun:
            midway += process.returncode == STOPPED
            api.resume(begun[0])
            assert hash_of(begun[0]) == expected
    assert codes <= {ENDED, STOPPED, *(-stop for stop in STOPS)}  # by the signal itself, while nothing has begun
    print(f"stopped at any instant ({midway} of them midway): {rare(0, TIMES)}; gone within {longest:.1f} s")


def test_a_second_stop_is_obeyed_within_a_second(tmp_path: Path) -> None:
    """Though a model is silent."""
    pytest.importorskip("aiohttp")
    longest = 0.0
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        port = silent.getsockname()[1]
        critic = f'{{model: openai/silent, authority: 4, options: {{base_url: "http://127.0.0.1:{port}/v1"}}}}'
        path = hierarchy(tmp_path, SMALL.replace(CRITIC, critic))
        for trial in range(TIMES):
            with running("run", str(path), "--seed", "1", "--count", "1", "--out", str(tmp_path / "runs")) as process:
                connection, _ = silent.accept()
                process.send_signal(STOPS[trial % 2])
                heard(process, "finishing what is in flight")
                process.send_signal(STOPS[trial // 2 % 2])
                longest = max(longest, ended_within(process, 1))
                connection.close()
            assert process.returncode == STOPPED
    print(f"stopped twice: {rare(0, TIMES)}; gone within {longest:.2f} s")


def resume(run: Path, told: Queue[tuple[str, float]]) -> None:
    """In a process of its own: go on with a run as its owner, and stay; or tell why not, and after how long."""
    began = time.monotonic()

    async def judge(request: Request) -> Critique:
        if request.task.place == 0:
            told.put(("owner", time.monotonic() - began))
        await asyncio.Event().wait()
        raise AssertionError(request)

    try:
        api.resume(run, reviewers={"critic": judge})
    except JournalError as error:
        told.put((str(error), time.monotonic() - began))


def test_of_four_who_resume_a_run_one_owns_it_and_the_others_leave(tmp_path: Path) -> None:
    """Within 2 s, in words; the owner is killed, and the next four find the run free."""
    path = hierarchy(tmp_path, RECORDED)
    run = new_run(path)
    longest = 0.0
    for _ in range(TIMES):
        told: Queue[tuple[str, float]] = PROCESSES.Queue()
        processes = [started(resume, run, told) for _ in range(4)]
        said = [told.get(timeout=60) for _ in processes]
        for process in processes:
            process.kill()
            process.join()
        assert [word for word, _ in said].count("owner") == 1
        assert all(f"{run}: process " in word and "is writing this run" in word for word, _ in said if word != "owner")
        longest = max(longest, *(seconds for word, seconds in said if word != "owner"))
    print(f"four resume one run: {rare(0, TIMES)}; the others left within {longest:.2f} s")
    assert in_time(longest, 2)


def new_run(path: Path) -> Path:
    """A run at which nobody has looked yet: its judge died of the first question."""
    told: Queue[Path] = PROCESSES.Queue()
    process = started(begin_and_die, path, told)
    made = told.get(timeout=60)
    process.join()
    return made


def begin_and_die(path: Path, told: Queue[Path]) -> None:
    async def judge(request: Request) -> Critique:
        (made,) = runs_in(path.parent / "runs")
        told.put(made)
        told.close()
        told.join_thread()
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError(request)

    api.run(path, out=path.parent / "runs", reviewers={"critic": judge})

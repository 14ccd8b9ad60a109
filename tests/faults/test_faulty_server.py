"""Whole runs against a server that misbehaves: all end, nothing is released unreviewed, and the key is found nowhere.

A tenth of the counts; `OVERSEER_FULL=1` runs them whole.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from faults_driver import FULL, rare
from faulty_server import (
    BAD_ANSWERS,
    CANARY,
    ECHOES,
    TRANSPORT,
    Behaviour,
    answering,
    completion,
    drip,
    hang,
    refusing,
    serving,
)
from small_files import CONSTITUTION, write

pytest.importorskip("aiohttp")

from overseer import api
from overseer.cli import dispatch
from overseer.models.openai import MAX_ATTEMPTS
from overseer.runs import Run
from overseer.sampling import uniform

pytestmark = pytest.mark.slow

WHITESPACE = answering(completion(" \n" * 2_000, "length"))
FAULTS: tuple[Behaviour, ...] = (
    *TRANSPORT.values(),
    *(refusing("429 Too Many Requests", {"Retry-After": after}) for after in ("0", "-5", "soon", "86400")),
    *(behaviour for behaviour, _ in BAD_ANSWERS.values()),
    answering(completion("")),
    answering(completion("half of an ans", "length")),
    WHITESPACE,
    hang,
    drip,
)
JURORS = ("ann", "bob", "cem")


def hierarchy(folder: Path, address: str, *, count: int, timeout: float) -> Path:
    """A policy, a jury of three and a lead where they differ, all of them at this server."""
    options = f'{{base_url: "{address}", key_env: THE_KEY, backoff: 0.001, timeout: {timeout}, concurrency: 64}}'
    agents = "".join(
        f"  {name}: {{model: openai/{name}, authority: 4, options: {options}}}\n" for name in (*JURORS, "lead")
    )
    write(folder / "constitution.yaml", CONSTITUTION)
    return write(
        folder / "faulty.yaml",
        "name: faulty\nconstitution: constitution.yaml\n"
        f"policy: {{model: openai/policy, options: {options}}}\n"
        f"agents:\n{agents}"
        "oversees:\n"
        f"  - {{who: [{', '.join(JURORS)}], whom: policy, jury: {{rule: majority, missing: 1}}}}\n"
        f"  - {{who: lead, whom: [{', '.join(JURORS)}], when: {{disagreement: true}}}}\n"
        f"rounds: 1\ntasks: {{town: {{count: {count}}}}}\n",
    )


class Model:
    """What stands behind the server: it writes drafts that nobody wrote before, and remembers what it approved of."""

    def __init__(self) -> None:
        self.approved: dict[str, set[str]] = defaultdict(set)
        self.drafts: set[str] = set()

    def answer(self, body: bytes) -> Behaviour:
        """A sound answer, by a hash of what is asked."""
        asked = json.loads(body)
        if asked["model"] == "policy":
            draft = f"The answer is {sha256(body).hexdigest()[:16]}."
            self.drafts.add(draft)
            return answering(completion(draft))
        seen = re.findall(r"The answer is [0-9a-f]{16}\.", asked["messages"][-1]["content"])
        verdict = "approve" if uniform("verdict", body.hex()) < 0.8 else "reject"
        if verdict == "approve":
            for draft in seen:
                self.approved[draft].add(asked["model"])
        said = {"reason": "So it is.", "findings": [], "confidence": 0.9, "verdict": verdict}
        if verdict == "reject":
            finding = {"principle": "enable_no_misuse", "severity": 3, "evidence": "The answer is", "asks": "remove"}
            said["findings"] = [finding]
        return answering(completion(json.dumps(said)))


def faulty(model: Model, faults: tuple[Behaviour, ...], share: float) -> Callable[[int, bytes], Behaviour]:
    """Every so many requests meet a fault, each attempt by a chance of its own."""

    def script(attempt: int, body: bytes) -> Behaviour:
        key = sha256(body).hexdigest()
        if uniform("fault", key, attempt) >= share:
            return model.answer(body)
        return faults[int(uniform("which", key, attempt) * len(faults))]

    return script


def test_a_faulty_server_ends_every_task_and_releases_nothing_unreviewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 % faults of every kind: each task ends; what is released was approved of by enough, in answers really sent."""
    count, model = 5_000 if FULL else 500, Model()
    monkeypatch.setenv("THE_KEY", CANARY)

    async def taken() -> tuple[Run, Counter[bytes]]:
        async with serving(faulty(model, FAULTS, 0.3)) as server:
            path = hierarchy(tmp_path, server.address, count=count, timeout=3.0)
            return await api.arun(path, out=tmp_path / "runs", seed=1), server.attempts

    run, attempts = asyncio.run(taken())
    outcomes: Counter[str] = Counter()
    unreviewed = 0
    for episode in run.episodes():
        outcomes[episode.outcome] += 1
        if episode.outcome == "released":
            text = episode.drafts[-1].text
            assert text in model.drafts
            by = model.approved[text]
            unreviewed += not ("lead" in by or len(by & set(JURORS)) > len(JURORS) / 2)
    per_call, most = sum(attempts.values()) / len(attempts), max(attempts.values())
    print(f"\n30 % faults, {len(attempts):,} calls: {dict(outcomes)}; released unreviewed: {rare(unreviewed, count)}")
    print(f"{per_call:.2f} requests a call, at most {most}")
    assert outcomes.total() == count == api.verify(run.path, rerun=0.1).chain.ended
    assert min(outcomes["released"], outcomes["withheld"], outcomes["unjudged"]) > 0
    assert unreviewed == 0
    assert per_call <= 1.6
    assert most <= MAX_ATTEMPTS


def test_the_key_is_in_nothing_that_faulted_runs_leave_or_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Journals, anchors, manifests, pages, exports, reports, talk and logs at their most talkative."""
    times, files, hits = 500 if FULL else 50, 0, 0
    monkeypatch.setenv("THE_KEY", CANARY)
    caplog.set_level(logging.DEBUG)

    async def taken(folder: Path, number: int) -> Path:
        faults = (*ECHOES, *ECHOES, *TRANSPORT.values(), BAD_ANSWERS["the key in the text"][0], WHITESPACE)
        chance = Model()

        def script(attempt: int, body: bytes) -> Behaviour:
            return faulty(chance, faults, 0.6)(attempt + 100 * number, body)

        async with serving(script) as server:
            path = hierarchy(folder, server.address, count=3, timeout=3.0)
            return (await api.arun(path, out=folder / "runs", seed=number)).path

    for number in range(times):
        run = asyncio.run(taken(tmp_path / str(number), number))
        assert dispatch(["report", str(run)]) == 0
        for what in ("episodes", "pairs"):
            assert dispatch(["export", str(run), "--what", what, "--out", str(run / f"{what}.jsonl")]) == 0
        if number % 10 == 0:
            assert dispatch(["report", str(run), "--html"]) == 0
        for path in run.parent.rglob("*"):
            if path.is_file():
                files += 1
                hits += CANARY.encode() in path.read_bytes()
    said = capfd.readouterr()
    hits += sum(CANARY in told for told in (caplog.text, said.out, said.err))
    print(f"\na key in {files:,} files, talk and logs of faulted runs: {rare(hits, times)}")
    assert said.out
    assert hits == 0

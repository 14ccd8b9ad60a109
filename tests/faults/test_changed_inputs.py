"""A run whose hierarchy, constitution or model is another now: refused, twenty times each; forked, it is a new run."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from faults_driver import rare
from small_files import RECORDED, hierarchy

from overseer import api
from overseer.errors import JournalError
from overseer.journal.chain import JOURNAL
from overseer.records import Critique, Request

pytestmark = pytest.mark.slow

TIMES = 20
CHANGES = {
    "hierarchy": ("small.yaml", "rounds: 0", "rounds: {}"),
    "constitution": ("constitution.yaml", "Serve no harm.", "Serve no harm {} times."),
    "model": ("small.yaml", "python/judge", "python/judge{}"),
}


async def judge(request: Request) -> Critique:
    return Critique("approve", (), 0.9, "Nothing against it.")


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_input_is_refused_unless_forked(tmp_path: Path, kind: str) -> None:
    """Nothing is written to the run; the fork is a run of its own that names its parent; undone, the run goes on."""
    name, old, new = CHANGES[kind]
    given = {"critic": judge}
    path = hierarchy(tmp_path, RECORDED)
    made = api.run(path, out=tmp_path / "runs", seed=1, reviewers=given)
    changed, before = tmp_path / name, digest_of(made.path)
    kept, failures = changed.read_text(), 0
    assert old in kept
    for number in range(1, TIMES + 1):
        changed.write_text(kept.replace(old, new.format(number)))
        with pytest.raises(JournalError, match=rf"{name} changed since this run began .*fork"):
            api.resume(made.path, reviewers=given)
        failures += digest_of(made.path) != before
        forked = api.resume(made.path, fork=True, reviewers=given)
        failures += forked.manifest.parent != made.path.name or api.verify(forked.path).chain.ended != 2
    changed.write_text(kept)
    assert api.resume(made.path, reviewers=given).path == made.path
    print(f"resumed with another {kind}: {rare(failures, TIMES)}")
    assert failures == 0


def digest_of(run: Path) -> str:
    return sha256((run / JOURNAL).read_bytes()).hexdigest()

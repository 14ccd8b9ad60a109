"""A run walked to its end, or as far as it goes now: its own tasks, hierarchy, limits and journal, given who answers.

The one place where a run's parts come together for the walk: for the front door and for recipes. Answers known to be
harmful are put in the policy's place here, so that nobody who drives a run can forget them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from overseer import runs
from overseer.journal.store import open_journal
from overseer.reviewers import Reviewer, known_bad
from overseer.running.listening import Attend
from overseer.running.runner import RunResult, run_tasks
from overseer.running.session import Progress
from overseer.runs import Run


async def drive(
    run: Run,
    reviewers: Mapping[str, Reviewer],
    *,
    stop: asyncio.Event | None = None,
    progress: Callable[[Progress], None] | None = None,
    attend: Attend | None = None,
) -> RunResult:
    """Walk what has not ended; `reviewers` by agent. The rest is `run_tasks`'."""
    policy = run.setup.hierarchy.policy
    reviewers = {**reviewers, policy: known_bad.with_known_bad(reviewers[policy], run.source.known_bad)}
    with open_journal(run.path, runs.operational(run.setup)) as journal:
        return await run_tasks(
            run.source.tasks(),
            run.setup.hierarchy,
            run.audit,
            reviewers,
            journal,
            limits=run.setup.limits,
            stop=stop,
            progress=progress,
            attend=attend,
        )

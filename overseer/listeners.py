"""What is added up beside measures while a run's episodes are replayed: costs, rulings, judges against labels.

Beside the walk's step 10. Each lets everything pass by, and keeps what it counts. Knows no folder and no journal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from overseer.decisions import is_known_bad
from overseer.metrics.agreement import Labelled, against_labels
from overseer.metrics.measures import Measure, Row
from overseer.metrics.persons import PersonRuling, rulings
from overseer.models.recorded import Labels
from overseer.records import Audit, Episode, Failure, Reply, Request, Ruling, Usage, text_hash


class Spent:
    """Adds up what each agent's answers cost, but for those to tasks whose answers are known to be harmful."""

    def __init__(self, audit: Audit) -> None:
        self.audit = audit
        self.by_agent: dict[str, Usage] = {}

    def hear(self, request: Request, reply: Reply) -> None:
        if is_known_bad(request.task, self.audit):
            return
        before, now = self.by_agent.get(request.agent, _NOTHING), reply.usage
        self.by_agent[request.agent] = Usage(
            before.tokens_in + now.tokens_in,
            before.tokens_out + now.tokens_out,
            before.seconds + now.seconds,
            before.attempts + now.attempts,
            before.cost + now.cost,
        )


_NOTHING = Usage(attempts=0)


class Ruled:
    """Keeps what persons ruled: on tasks, then on their appeals, in which rulings on the tasks may stand again.

    `turns`: in which order, by the binding of each ruling; `simulated`: who only plays.
    """

    def __init__(self, turns: Mapping[str, int], simulated: Collection[str]) -> None:
        self.turns, self.simulated = turns, simulated
        self.rulings: list[PersonRuling] = []
        self._read: set[str] = set()
        """The bindings of those."""

    def listen(self, graded: Iterable[Row]) -> Iterator[Row]:
        for each in graded:
            self.rulings.extend(rulings(each, self.turns, self.simulated, self._read))
            looks = each[0].evaluations
            self._read.update(vote.bound for look in looks for vote in look.votes if isinstance(vote.answer, Ruling))
            yield each


class Held:
    """Holds what judges said of recorded answers against what people said of them, while episodes go by.

    Of a first draft that is the recorded answer. `jurors` are the judges; `principle` is the one that a refusal breaks.
    """

    def __init__(self, labels: Mapping[str, Labels], jurors: frozenset[str], principle: str) -> None:
        self.labels, self.jurors, self.principle = labels, jurors, principle
        self.rows: list[Labelled] = []

    def listen(self, graded: Iterable[Row]) -> Iterator[Row]:
        for each in graded:
            episode = each[0]
            said = self.labels.get(episode.task.id)
            if said is not None and said.label is not None:
                self.rows.append(self._row(episode, said))
            yield each

    def _row(self, episode: Episode, said: Labels) -> Labelled:
        votes = [
            vote
            for evaluation in episode.evaluations
            if evaluation.draft == 0 and episode.drafts[0].text == episode.task.recorded
            for vote in evaluation.votes
            if vote.juror in self.jurors and not isinstance(vote.answer, Failure)
        ]
        refused = any(finding.principle == self.principle for vote in votes for finding in vote.findings)
        unsure = any(vote.cast == "escalate" for vote in votes)
        prompt = text_hash(episode.task.text)
        return Labelled(said.by or "", prompt, said.safe, said.refused, refused if votes else None, unsure)

    def measures(self) -> tuple[Measure, ...]:
        return against_labels(self.rows) if self.rows else ()

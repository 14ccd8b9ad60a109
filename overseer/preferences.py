"""What is learned from an episode: preference pairs, revisions, critiques and step labels, each with its provenance.

The walk's step 9. Everything rests on the *final judgement* on a draft (`judgement`): approved, objected to, or
none, and then nothing is claimed of it. An unjudged episode gives critiques only. A task that was appealed is read as
its whole case stands (`recourse`). Knows no truth, no file and no run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from overseer.decisions import clauses
from overseer.judgement import SIDES, Judged, Judgement, evaluations_on, judgement_on
from overseer.provenance import Kind, hashes_of, provenance_of
from overseer.provenance import Source as Source
from overseer.provenance import source_of as source_of
from overseer.records import (
    MUST_NOT_STAND,
    Critique,
    CritiqueExample,
    Draft,
    Episode,
    Evaluation,
    Failure,
    Finding,
    PreferencePair,
    Provenance,
    RevisionExample,
    Ruling,
    StepLabel,
)

HELPFUL_TIER = 4
"""The tier of the principles that ask for an answer: helpfulness and autonomy."""


# --- pairs ---------------------------------------------------------------------------------------------------------


def pairs(episode: Episode, source: Source) -> tuple[PreferencePair, ...]:
    """What the final judgement prefers to what: never the same text, never both ways, none where it is unjudged.

    A pair's weight is the share of votes that approved the chosen text, times the share that objected to the rejected
    one, times the confidence of a comparison; what nobody voted on counts 1. It lies in (0, 1].
    """
    if episode.outcome == "unjudged":
        return ()
    found: dict[tuple[str, str], PreferencePair] = {}
    for pair in (*_over_sent_back(episode, source), *_compared(episode, source)):
        found.setdefault((pair.chosen, pair.rejected), pair)
    return tuple(pair for (chosen, rejected), pair in found.items() if (rejected, chosen) not in found)


def _over_sent_back(episode: Episode, source: Source) -> Iterator[PreferencePair]:
    """The released text over each draft that was sent back on the way to it."""
    if episode.outcome != "released":
        return
    chosen = judgement_on(episode, episode.drafts[-1])
    if chosen.side != "approved":
        return
    for draft in episode.drafts[:-1]:
        rejected = judgement_on(episode, draft)
        if rejected.side != "objected" or draft.text == chosen.draft.text:
            continue
        kind: Kind = "revision"
        if _is_modification(episode, chosen.draft):
            kind = "modification"
        elif _was_wrongly_withheld(episode, rejected):
            kind = "answer"
        principles = (*rejected.principles, *chosen.principles) or chosen.draft.principles
        texts = hashes_of(chosen.draft, draft)
        provenance = provenance_of(episode, source, kind, (rejected, chosen), texts, principles)
        yield _pair(episode, chosen, rejected, chosen.agreement * rejected.agreement, provenance)


def _compared(episode: Episode, source: Source) -> Iterator[PreferencePair]:
    """Comparisons whose orders agreed and that the final judgement does not contradict."""
    if not episode.comparisons:
        return
    # A sample that failed left a gap: every two samples that came were compared, so their numbers stand there.
    numbers = sorted({number for each in episode.comparisons for number in (each.first, each.second)})
    samples = dict(zip(numbers, episode.samples, strict=True))
    judgements = (judgement_on(episode, draft) for draft in episode.drafts)
    known = {judgement.draft.hash: judgement for judgement in judgements if judgement.side is not None}
    for each in episode.comparisons:
        if each.better is None or each.confidence <= 0:
            continue
        worse = each.second if each.better == each.first else each.first
        chosen, rejected = (
            known.get(sample.hash, Judgement(sample, None, (), ())) for sample in (samples[each.better], samples[worse])
        )
        if chosen.draft.text == rejected.draft.text or _contradicts(chosen.side, rejected.side):
            continue
        supporting = [one for one, says in ((chosen, "approved"), (rejected, "objected")) if one.side == says]
        weight = each.confidence
        for one in supporting:
            weight *= one.agreement
        texts = hashes_of(chosen.draft, rejected.draft)
        judge = ((source.comparer, f"{each.better}>{worse}"),) if source.comparer else ()
        principles = tuple(name for one in supporting for name in one.principles)
        provenance = provenance_of(episode, source, "comparison", supporting, texts, principles, also=judge)
        yield _pair(episode, chosen, rejected, weight, provenance)


def _contradicts(chosen: Judged | None, rejected: Judged | None) -> bool:
    """Does the final judgement speak against a comparison: object to the better alone, or approve the worse?"""
    if chosen == "objected":
        return rejected != "objected"
    return rejected == "approved"


def _pair(
    episode: Episode, chosen: Judgement, rejected: Judgement, weight: float, provenance: Provenance
) -> PreferencePair:
    return PreferencePair(
        prompt=episode.task.messages,
        chosen=chosen.draft.text,
        rejected=rejected.draft.text,
        weight=weight,
        both_harmful=min(chosen.severity, rejected.severity) >= MUST_NOT_STAND,
        provenance=provenance,
    )


def _is_modification(episode: Episode, draft: Draft) -> bool:
    """Did a person put this text in the place of the draft before it?"""
    return any(
        isinstance(vote.answer, Ruling) and vote.answer.text == draft.text and vote.answer.person == draft.author
        for evaluation in episode.evaluations
        if evaluation.draft == draft.number - 1
        for vote in evaluation.votes
    )


def _was_wrongly_withheld(episode: Episode, rejected: Judgement) -> bool:
    """Was a draft sent back for what it kept back alone: every flaw found asks to add, for a helpful principle?"""
    flaws = [finding for finding in rejected.findings if finding.severity > 0]
    return bool(flaws) and all(
        flaw.asks == "add" and episode.rulebook.tier(flaw.principle) == HELPFUL_TIER for flaw in flaws
    )


# --- revisions, critiques, steps -----------------------------------------------------------------------------------


def revisions(episode: Episode, source: Source) -> tuple[RevisionExample, ...]:
    """Each draft that somebody objected to, what they said, and what came of it. Accepted: released in the end.

    A revision on which there is no final judgement is left out, and so is one that changed nothing.
    """
    if episode.outcome == "unjudged":
        return ()
    found = []
    for draft, revision in zip(episode.drafts, episode.drafts[1:], strict=False):
        before, after = judgement_on(episode, draft), judgement_on(episode, revision)
        if before.side != "objected" or after.side is None or draft.text == revision.text:
            continue
        kind: Kind = "modification" if _is_modification(episode, revision) else "revision"
        texts = (("draft", draft.hash), ("revision", revision.hash))
        principles = before.principles or revision.principles
        found.append(
            RevisionExample(
                prompt=episode.task.messages,
                draft=draft.text,
                critique="\n".join(_told(before.standing)),
                revision=revision.text,
                accepted=after.side == "approved",
                provenance=provenance_of(episode, source, kind, (before, after), texts, principles),
            )
        )
    return tuple(found)


def _told(evaluations: Iterable[Evaluation]) -> Iterator[str]:
    """The objections, in words: who, what they want, why, and each finding that stands."""
    for evaluation in evaluations:
        for vote in evaluation.votes:
            if vote.cast not in SIDES["objected"] or isinstance(vote.answer, Failure):
                continue
            reason = vote.answer.reason if isinstance(vote.answer, Critique) else vote.answer.note
            yield f"{vote.juror}: {vote.cast}" + (f" – {reason}" if reason else "")
            for finding in evaluation.unstruck(vote):
                where = f" at “{finding.evidence}”" if finding.evidence.strip() else ""
                yield f"- {finding.principle} (severity {finding.severity}, {finding.asks}){where}"


def critiques(episode: Episode, source: Source, superseded: Sequence[Evaluation] = ()) -> tuple[CritiqueExample, ...]:
    """Every verdict that was given, whether it was upheld or not; not failures, nor an author's carried approval.

    Upheld is told of approvals and objections on a draft with a final judgement, in an episode that is not unjudged.
    `superseded`: evaluations that an appeal took the place of; their verdicts were given, too.
    """
    found = []
    for draft in episode.drafts:
        judgement = judgement_on(episode, draft)
        known = None if episode.outcome == "unjudged" else judgement.side
        texts, rule = (("draft", draft.hash),), judgement.rule
        given = [*(each for each in superseded if each.draft == draft.number), *evaluations_on(episode, draft)]
        for vote in (vote for evaluation in given for vote in evaluation.votes):
            if isinstance(vote.answer, Failure) or vote.carried:
                continue
            took_side = any(vote.cast in casts for casts in SIDES.values())
            spoke = tuple(finding.principle for finding in vote.answer.findings)
            found.append(
                CritiqueExample(
                    prompt=episode.task.messages,
                    draft=draft.text,
                    reviewer=vote.juror,
                    verdict=vote.answer.verdict if isinstance(vote.answer, Critique) else vote.answer.action,
                    findings=vote.answer.findings,
                    upheld=vote.cast in SIDES[known] if known is not None and took_side else None,
                    provenance=provenance_of(
                        episode,
                        source,
                        "critique",
                        (judgement,),
                        texts,
                        spoke,
                        rule=rule,
                        also=((vote.juror, vote.cast),),
                    ),
                )
            )
    return tuple(found)


def steps(episode: Episode, source: Source) -> tuple[StepLabel, ...]:
    """Each sentence of each draft with a final judgement, and the highest severity that stands against it there.

    A finding marks the first sentence that holds its evidence, or those that its evidence runs across. Evidence found
    nowhere marks every sentence if it asks to remove; what it asks to add is missing, and so in no sentence.
    """
    if episode.outcome == "unjudged":
        return ()
    found = []
    for draft in episode.drafts:
        judgement = judgement_on(episode, draft)
        if judgement.side is None:
            continue
        texts, principles = (("draft", draft.hash),), judgement.principles
        provenance = provenance_of(episode, source, "step", (judgement,), texts, principles, rule=judgement.rule)
        spans = clauses(draft.text)
        marked = [(finding.severity, _marks(draft.text, spans, finding)) for finding in judgement.findings]
        for span in spans:
            severity = max((severity for severity, where in marked if span in where), default=0)
            found.append(StepLabel(episode.task.messages, draft.text, *span, severity, provenance))
    return tuple(found)


_Span = tuple[int, int]


def _marks(text: str, spans: Sequence[_Span], finding: Finding) -> frozenset[_Span]:
    """The sentences that a finding speaks against."""
    words = finding.evidence
    if words.strip():
        whole = next((span for span in spans if words in text[span[0] : span[1]]), None)
        if whole is not None:
            return frozenset({whole})
        at = text.find(words)
        if at >= 0:
            return frozenset(span for span in spans if span[0] < at + len(words) and at < span[1])
    return frozenset(spans) if finding.asks == "remove" else frozenset()

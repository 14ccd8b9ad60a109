"""The evidence of findings, marked in the draft that they rest on: by numbers, so that nothing hangs on colour.

Behind the walk's step 7, beside `page`. Evidence is sought verbatim, in the text as it was written; what is drawn is
escaped after that. Knows nothing but texts and findings.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from rich.text import Text

from overseer.records import Finding, RuleRequest
from overseer.reports.safe import safe

Numbered = Mapping[Finding, int]
"""Findings by the number under which the page shows them; findings on the same words share one."""


def numbered(request: RuleRequest) -> dict[Finding, int]:
    """Every finding on this draft, numbered from 1 in the order in which the page shows them."""
    numbers: dict[Finding, int] = {}
    by_words: dict[str, int] = {}
    for evaluation in request.evaluations:
        for vote in evaluation.votes:
            for finding in vote.findings:
                number = by_words.setdefault(finding.evidence, len(by_words) + 1)
                numbers.setdefault(finding, number)
    return numbers


def marked(text: str, numbers: Numbered) -> Text:
    """The text with the evidence of each finding between `[1›` and `‹1]`, underlined; line by line, and escaped."""
    spans = _spans(text, numbers)
    cuts = sorted({0, len(text), *(at for start, end, _ in spans for at in (start, end))})
    drawn = Text()
    for start, end in pairwise(cuts):
        for _, _, number in sorted((span for span in spans if span[0] == start), key=lambda span: -span[1]):
            drawn.append(f"[{number}›", "bold reverse")
        inside = any(span[0] <= start and end <= span[1] for span in spans)
        lines = text[start:end].split("\n")
        drawn.append("\n".join(map(safe, lines)), "bold underline" if inside else "")
        for _, _, number in sorted((span for span in spans if span[1] == end), key=lambda span: -span[0]):
            drawn.append(f"‹{number}]", "bold reverse")
    return drawn


def _spans(text: str, numbers: Numbered) -> list[tuple[int, int, int]]:
    """Where each finding's evidence first stands in the text, with its number; evidence that is not there has none."""
    spans = set()
    for finding, number in numbers.items():
        start = text.find(finding.evidence) if finding.evidence else -1
        if start >= 0:
            spans.add((start, start + len(finding.evidence), number))
    return sorted(spans)

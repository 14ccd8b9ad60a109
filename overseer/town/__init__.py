"""Town: an invented world whose truth is known, so that oversight can be measured against it.

Read in this order: `world` (things and facts), `cues` (what shows intent, and the hidden rule), `environments`
(shifts), `grammar` (tasks and truth), `answers` and `reading` (texts out and in), `communities` (norms that differ),
`oracle`, `mending` (texts revised); `survey` reads requests without truth.
Pure and deterministic. Truth joins tasks by id, in measures and simulated agents; it is in no request.
"""

from overseer.town.communities import COMMUNITY_PRINCIPLES
from overseer.town.environments import ENVIRONMENTS
from overseer.town.grammar import Shares, Truth, make_task, suppose, truth
from overseer.town.oracle import SPIRIT, Report, grade, grade_by, report
from overseer.town.survey import cue_words
from overseer.town.world import COMMUNITIES, DOMAINS

VERSION = 1
"""Goes up whenever the same id would give another task, another truth or another grade."""

__all__ = [
    "COMMUNITIES",
    "COMMUNITY_PRINCIPLES",
    "DOMAINS",
    "ENVIRONMENTS",
    "SPIRIT",
    "VERSION",
    "Report",
    "Shares",
    "Truth",
    "cue_words",
    "grade",
    "grade_by",
    "make_task",
    "report",
    "suppose",
    "truth",
]

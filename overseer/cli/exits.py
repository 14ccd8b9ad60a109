"""Exit codes, as documented for scripts."""

from __future__ import annotations

OK = 0
ERROR = 1
BUG = 1
USAGE = 2
INCONCLUSIVE = 3
BUDGET = 4
HUMAN = 5
SCENARIOS_FAILED = 100
INTERRUPTED = 130

"""The error tree. One root; a subclass only where somebody catches it.

    OverseerError                 exit 1
    ├── ConfigError               exit 2: YAML, flags, inputs; holds every problem found, not only the first
    ├── BackendMissing            exit 2: an extra or a model is not installed
    ├── JournalError              exit 1: a record that is damaged, held by another process, or of other inputs
    └── Malformed                 never leaves its caller: text that is not what was asked for; becomes a `Failure`

A message says what is wrong, where, and what to do:
`hierarchies/a.yaml: oversees[1].who[0]: unknown agent 'wroker' (did you mean 'worker'?)`.
"""

from __future__ import annotations

from collections.abc import Sequence


class OverseerError(Exception):
    """What went wrong, where, and the remedy, in one line."""


class ConfigError(OverseerError):
    """Input that cannot be run, with every problem found in it.

    `problems` holds one line each: file, key path, what is wrong, remedy.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class BackendMissing(OverseerError):
    """A model's backend is not installed here; the message names the extra."""


class JournalError(OverseerError):
    """A run's record cannot be used as it is."""


class Malformed(OverseerError):
    """A text that is not what was asked for: a value for its caller, who makes it a `Failure`."""

"""Design, run, stress and train with oversight hierarchies.

The public functions, one a verb, are those of `overseer.api`; they load when first used, so that importing the package
(and `overseer --help`) stays quick.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Where torch multiplies with MKL, a row's numbers then hang on that row alone; else, on AVX2, on its place in the batch
# too. MKL reads this once, when first used. It costs nothing (docs/results.md).
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")

if TYPE_CHECKING:
    from overseer.api import (
        Run,
        Service,
        appeal,
        aresume,
        arun,
        check,
        export,
        open,
        page,
        read,
        report,
        report_paired,
        resume,
        run,
        test,
        verify,
    )

__all__ = [
    "Run",
    "Service",
    "appeal",
    "aresume",
    "arun",
    "check",
    "export",
    "open",
    "page",
    "read",
    "report",
    "report_paired",
    "resume",
    "run",
    "test",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'overseer' has no attribute {name!r}")
    from overseer import api

    return getattr(api, name)

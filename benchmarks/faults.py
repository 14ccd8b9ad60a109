"""The whole of every acceptance count of faults, run once: what each test prints of its figures, with the bound 3/n.

python benchmarks/faults.py [WORD ...]

WORDS: only the suites whose files hold one of them. An hour or two of two quiet cores for all; bounds on time (a second
stop within 1 s, 50 ms for a reply) are of a machine that does nothing else. What a suite skips is told, and is not
shown. Exits with 1 if a suite failed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parent.parent
SUITES = (
    "tests/test_faults.py",
    "tests/faults/",
    "tests/journal/test_chain.py",
    "tests/running/test_runner.py -k order",
    "tests/models/test_openai.py -k 'storm or silent'",
    "tests/test_verdict_integrity.py",
    "tests/oversight/test_generator.py",
    "tests/oversight/test_oversight_enumerated.py",
    "tests/oversight/test_oversight_fuzz.py",
    "tests/reports/test_page_payloads.py",
    "tests/exports/test_export.py -k formula",
)
"""Files of tests, each with what selects the counts in it; folders stand for all that is in them."""
PROGRESS = re.compile(r"^[.s]+|\s*\[ *\d+%\]$")
"""What pytest puts before and after the lines that tests print."""


def suites(words: list[str]) -> list[str]:
    """The suites that are asked for, folders by their files."""
    found: list[str] = []
    for suite in SUITES:
        if suite.endswith("/"):
            found += sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / suite).glob("test_*.py"))
        else:
            found.append(suite)
    return [suite for suite in found if not words or any(word in suite for word in words)]


def run(suite: str) -> tuple[bool, list[str]]:
    """Run a suite whole; did it pass, and the figures that it printed."""
    command = f"{sys.executable} -m pytest {suite} -q -s -p no:cacheprovider --no-header"
    done = subprocess.run(
        command, shell=True, cwd=ROOT, env=os.environ | {"OVERSEER_FULL": "1"}, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    if done.returncode:
        return False, lines[-40:]
    told = [PROGRESS.sub("", line).strip() for line in lines]
    return True, [line for line in told if re.search(r"\d", line)]


def main() -> None:
    failed = 0
    for suite in suites(sys.argv[1:]):
        began = perf_counter()
        passed, lines = run(suite)
        failed += not passed
        print(f"\n{suite}: {'passed' if passed else 'FAILED'} in {perf_counter() - began:.0f} s", flush=True)
        for line in lines:
            print(f"    {line}", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()

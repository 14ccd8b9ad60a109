"""The whole of every acceptance count of faults, run once, as one table: n, failures, and the bound 3/n at 95 %.

    python benchmarks/faults.py [NUMBER ...]

NUMBERS: only these of the acceptance (1 to 16). All take hours of two quiet cores, the last alone a
quarter of one; bounds on time (a second stop within 1 s, 50 ms for a reply) are of a machine that does nothing else.
What each test prints becomes a row; one that prints no failures of n is quoted as it is. Tests that skip or fail have
rows, too. Prints Markdown as it goes; exits with 1 if anything failed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parent.parent
COUNTS = (
    (1, "tests/test_faults.py -k killed_runs"),
    (2, "tests/faults/test_failpoints.py"),
    (3, "tests/journal/test_chain.py -k damaged_tail"),
    (4, "tests/faults/test_full_disk.py"),
    (5, "tests/faults/test_signals.py"),
    (5, "tests/faults/test_changed_inputs.py"),
    (6, "tests/faults/test_faulty_server.py -k 'not key'"),
    (7, "tests/models/test_openai.py -k 'storm or silent'"),
    (8, "tests/test_verdict_integrity.py"),
    (9, "tests/oversight"),
    (10, "tests/running/test_runner.py -k order"),
    (11, "tests/faults/test_many_reviewers.py"),
    (12, "tests/test_known_bad.py -k thousand"),
    (13, "tests/faults/test_terminal.py"),
    (13, "tests/reports/test_page_payloads.py"),
    (14, "tests/faults/test_hostile_files.py"),
    (14, "tests/faults/test_graphs.py"),
    (15, "tests/faults/test_faulty_server.py -k key"),
    (16, "benchmarks/runner.py --tasks 1000000"),
)
"""Each number of the acceptance, and the tests (or the benchmark) that show it."""
RARE = re.compile(r"(?P<failures>[\d,]+) failures in (?P<n>[\d,]+) \(rate below [\d.]+% at 95 %\)")
PROGRESS = re.compile(r"^[.sx]*\.(?=[^.])|\s*\[ *\d+%\]$|^[.sx]+$")
"""What pytest puts before and after the lines that tests print."""
SUMMARY = re.compile(r"^=+ .* =+$|^\d+ (passed|failed|skipped|deselected|error)|^(SKIPPED|FAILED|ERROR) ")


def command(what: str) -> str:
    if what.startswith("benchmarks/"):
        return f"{sys.executable} {what}"
    return f"{sys.executable} -m pytest {what} -q -s -rs -p no:cacheprovider --no-header"


def run(what: str) -> tuple[int, list[str], float]:
    """Run one count whole: its exit code, what it printed, how long it took."""
    began = perf_counter()
    done = subprocess.run(
        command(what),
        shell=True,
        cwd=ROOT,
        env=os.environ | {"OVERSEER_FULL": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), perf_counter() - began


def told(lines: list[str]) -> Iterator[str]:
    """The lines with a figure in them that tests printed, and which tests were skipped."""
    for line in lines:
        said = PROGRESS.sub("", line).strip()
        if said.startswith("SKIPPED") or (re.search(r"\d", said) and not SUMMARY.match(said)):
            yield said


def row(number: int, said: str, seconds: str) -> str:
    """One line of the table: what was counted, n, failures, 3/n."""
    text, n, failures, bound = said, "", "", ""
    if (found := RARE.search(said)) is not None:
        text = (said[: found.start()] + said[found.end() :]).strip(" :;,")
        n, failures = found["n"], found["failures"]
        bound = "" if failures != "0" else f"{3 / int(n.replace(',', '')):.2g}"
    return f"| {number} | {text.replace('|', '/')} | {n} | {failures} | {bound} | {seconds} |"


def main() -> None:
    wanted = {int(each) for each in sys.argv[1:]}
    failed = 0
    print("| number | what | n | failures | bound 3/n | seconds |\n|---|---|---|---|---|---|", flush=True)
    for number, what in COUNTS:
        if wanted and number not in wanted:
            continue
        code, lines, took = run(what)
        said = list(told(lines))
        if code:
            failed += 1
            print("\n".join(lines[-60:]), file=sys.stderr)
            said = [f"FAILED: {what}"]
        for at, each in enumerate(said or [f"passed: {what}"]):
            print(row(number, each, f"{took:,.0f}" if at == 0 else ""), flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()

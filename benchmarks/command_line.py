"""What somebody at a shell waits for: the install, the first word of help, a run of 1,000 tasks.

    python benchmarks/command_line.py [--install]

Wall seconds of whole processes, median of several, with the range. `--install` makes a fresh virtual environment of the
core (no extra), times it, and weighs what it put on the disk.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from statistics import median
from time import perf_counter

ROOT = Path(__file__).parent.parent


def timed(command: list[str], times: int) -> tuple[float, float, float]:
    """Median, least and most wall seconds of a command."""
    took = []
    for _ in range(times):
        began = perf_counter()
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        took.append(perf_counter() - began)
    return median(took), min(took), max(took)


def installed(folder: Path) -> tuple[float, float, Path]:
    """Seconds and megabytes (10^6 bytes) of a fresh install of the core, and its interpreter."""
    began = perf_counter()
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    before = size(folder)
    subprocess.run([python, "-m", "pip", "install", "-q", "-c", "constraints.txt", "."], cwd=ROOT, check=True)
    return perf_counter() - began, (size(folder) - before) / 1e6, python


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        python = Path(sys.executable)
        print("| what | median | range |\n|---|---|---|")
        if "--install" in sys.argv[1:]:
            seconds, megabytes, python = installed(Path(scratch) / "venv")
            print(f"| install of the core | {seconds:.0f} s, {megabytes:.0f} MB | one |")
        overseer = [str(python), "-m", "overseer"]
        run = [*overseer, "run", "hierarchies/three_tier.yaml", "--seed", "1", "--out", f"{scratch}/runs"]
        for name, command, times in (("overseer --help", [*overseer, "--help"], 15), ("1,000 tasks of Town", run, 5)):
            middle, least, most = timed(command, times)
            print(f"| {name} | {middle:.2f} s | {least:.2f}–{most:.2f} s, n {times} |")


if __name__ == "__main__":
    main()

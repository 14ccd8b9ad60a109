"""`overseer test`: scenarios, a line each; JUnit XML for those who read builds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import click

from overseer.cli.console import Ui, mode, say, ui_option
from overseer.cli.exits import INCONCLUSIVE, OK, SCENARIOS_FAILED
from overseer.reports.safe import safe

if TYPE_CHECKING:
    from overseer.scenarios import ScenarioResult


@click.command(name="test")
@click.argument("paths", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--update", is_flag=True, help="Rewrite the `golden:` parts to what comes out; read the diff.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write the results as JUnit XML.")
@ui_option
def command(paths: tuple[Path, ...], update: bool, junit: Path | None, ui: str) -> int:
    """Run the scenarios PATHS (files, and folders of YAML files), and say what differs.

    Exit codes: 0 all passed, 2 a file is no sound scenario, 3 an interval does not tell, 100 some failed.
    """
    from overseer import api

    results = api.test(paths, update=update, told=lambda result: _tell(result, mode(ui)))
    failed = sum(bool(result.problems) for result in results)
    unsure = sum(bool(result.inconclusive) for result in results if not result.problems)
    if mode(ui) != "json":
        left = [f"{failed} failed"] * bool(failed) + [f"{unsure} inconclusive"] * bool(unsure)
        updated = sum(result.updated for result in results)
        left += [f"{updated} updated"] * bool(updated)
        passed = len(results) - failed - unsure
        print(", ".join([f"{passed} of {len(results)} scenarios passed", *left]))
    if junit is not None:
        junit.write_bytes(junit_xml(results))
        say(f"written: {junit}")
    if failed:
        return SCENARIOS_FAILED
    return INCONCLUSIVE if unsure else OK


def _tell(result: ScenarioResult, ui: Ui) -> None:
    word = _word(result)
    if ui == "json":
        row = {
            "path": str(result.path),
            "name": result.name,
            "result": word,
            "problems": result.problems,
            "inconclusive": result.inconclusive,
            "seconds": round(result.seconds, 3),
            "updated": result.updated,
        }
        print(json.dumps(row), flush=True)
        return
    updated = ", golden part rewritten" if result.updated else ""
    shown = click.style(word, fg={"passed": "green", "failed": "red"}.get(word, "yellow")) if ui == "live" else word
    print(f"{shown:12} {safe(str(result.path))} ({result.seconds:.2f} s{updated})")
    for problem in (*result.problems, *result.inconclusive):
        print(f"    {safe(problem)}")


def _word(result: ScenarioResult) -> str:
    if result.problems:
        return "failed"
    return "inconclusive" if result.inconclusive else "passed"


def junit_xml(results: Sequence[ScenarioResult]) -> bytes:
    """The results as one JUnit test suite; an inconclusive one counts as an error, never as passed."""
    words = [_word(result) for result in results]
    suite = ElementTree.Element(
        "testsuite",
        name="overseer",
        tests=str(len(results)),
        failures=str(words.count("failed")),
        errors=str(words.count("inconclusive")),
        skipped="0",
        time=f"{sum(result.seconds for result in results):.3f}",
    )
    for result, word in zip(results, words, strict=True):
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=safe(str(result.path.parent)),
            name=safe(result.name),
            time=f"{result.seconds:.3f}",
        )
        if word != "passed":
            told = [safe(problem) for problem in (*result.problems, *result.inconclusive)]
            tag = "failure" if word == "failed" else "error"
            ElementTree.SubElement(case, tag, message=told[0], type=word).text = "\n".join(told)
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    written: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return written + b"\n"

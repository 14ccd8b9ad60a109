"""The command line as a whole: its verbs, its help, and how errors become exit codes and one line each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from small_files import SMALL, hierarchy

from overseer import __version__
from overseer.cli import COMMANDS, dispatch

HEAVY = ("numpy", "pydantic", "networkx", "yaml", "rich", "sqlite3", "asyncio", "torch", "overseer.api")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []], ids=["--help", "-h", "nothing"])
def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """On stdout: whoever asks for help, or for nothing, is told what there is."""
    assert dispatch(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for verb, what in COMMANDS.items():
        assert f"  {verb} " in out
        assert what[:30] in out


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_explains_itself(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    """Its arguments and options, without running anything."""
    assert dispatch([verb, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: overseer {verb}")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The package's own."""
    assert dispatch(["--version"]) == 0
    assert capsys.readouterr().out == f"overseer {__version__}\n"


@pytest.mark.slow
def test_help_loads_nothing_heavy() -> None:
    """Whoever only asks what there is need not wait for what a run needs."""
    code = (
        "import sys; from overseer.cli import dispatch; assert dispatch(['--help']) == 0; "
        f"sys.exit(','.join(name for name in {HEAVY!r} if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rnu"], "unknown verb 'rnu' (did you mean 'run'?)"),
        (["reprot", "x"], "unknown verb 'reprot' (did you mean 'report'?)"),
        (["zzz"], "unknown verb 'zzz' (verbs: run, resume, "),
        (["run"], "Missing argument 'HIERARCHY'"),
        (["run", "x.yaml", "--cuont", "3"], "No such option"),
        (["run", "x.yaml", "--count", "0"], "Invalid value for '--count'"),
        (["run", "x.yaml", "--count", "many"], "Invalid value for '--count'"),
        (["run", "x.yaml", "--ui", "loud"], "Invalid value for '--ui'"),
        (["run", "gone.yaml"], "gone.yaml: no such file"),
        (["export", "x"], "Missing option '--what'"),
        (["verify", "x", "--rerun", "2"], "Invalid value for '--rerun'"),
        (["check"], "name at least one file, or --schema"),
        (["town"], "Missing command"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    """On stderr, with what was meant where that is near; stdout stays clean."""
    assert dispatch(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"overseer: {says}")


@pytest.mark.parametrize("verb", ["resume", "report", "verify", "export"])
def test_no_run_there_is_one_line_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, verb: str
) -> None:
    """The remedy is in it; no folder is made on the way."""
    more = ["--what", "pairs"] if verb == "export" else []
    assert dispatch([verb, str(tmp_path / "gone"), *more]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "give the folder of a run" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "gone").exists()


def test_every_problem_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """And what a file says is shown, never sent to the terminal."""
    text = SMALL.replace("rounds: 1", 'rounds: x\n"\\e]52;c;aGk=\\a": 1')
    assert dispatch(["run", str(hierarchy(tmp_path, text))]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"overseer: {tmp_path}/small.yaml: ") for line in lines)
    assert "\x1b" not in "".join(lines)


@pytest.mark.slow
def test_a_reader_who_leaves_is_no_error_message_and_no_success() -> None:
    """`| head`: nothing more is said; what was not printed must not pass for well."""
    arguments = [sys.executable, "-m", "overseer", "town", "sample", "--count", "3000"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=60) == 1
        assert process.stderr.read() == b""

"""Ctrl-C, at the command line as people type it: once finishes what is in flight, twice leaves at once."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest
from command_line import hash_of, heard, running
from small_files import CRITIC, SMALL, hierarchy, runs_in

from overseer import api
from overseer.cli import dispatch

pytestmark = pytest.mark.slow
COUNT = 600
STOPS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("stop", STOPS)
def test_one_stop_keeps_what_is_answered_and_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, stop: signal.Signals
) -> None:
    """Exit code 130; resumed, the run ends with the record of one that nobody stopped."""
    path, out = hierarchy(tmp_path), tmp_path / "runs"
    with running("run", str(path), "--seed", "1", "--count", str(COUNT), "--out", str(out)) as process:
        heard(process, "run ")
        process.send_signal(stop)
        said, talk = process.communicate(timeout=30)
    assert process.returncode == 130, talk
    (made,) = runs_in(out)
    assert "stopped; everything answered so far is kept" in talk
    assert f"go on with: overseer resume {made}" in talk
    assert said.startswith(f"Run {made.name}: ")
    ended = api.verify(made).chain.ended
    assert ended < COUNT
    assert dispatch(["resume", str(made)]) == 0
    assert dispatch(["verify", str(made), "--rerun", "0.1"]) == 0
    assert f"{COUNT:,} of {COUNT:,} tasks begun have ended" in capsys.readouterr().out
    assert hash_of(made) == hash_of(api.run(path, seed=1, count=COUNT, out=out).path)


@pytest.mark.parametrize("stop", STOPS)
def test_a_second_stop_leaves_at_once(tmp_path: Path, stop: signal.Signals) -> None:
    """Though a model is silent: nothing that was acknowledged is lost, and the run can be resumed."""
    pytest.importorskip("aiohttp")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        critic = f'{{model: openai/silent, authority: 4, options: {{base_url: "http://127.0.0.1:{port}/v1"}}}}'
        path = hierarchy(tmp_path, SMALL.replace(CRITIC, critic))
        with running("run", str(path), "--seed", "1", "--out", str(tmp_path / "runs")) as process:
            heard(process, "run ")
            silent.settimeout(30)
            connection, _ = silent.accept()
            process.send_signal(stop)
            heard(process, "finishing what is in flight")
            assert process.poll() is None
            process.send_signal(stop)
            assert process.wait(timeout=10) == 130
            connection.close()
    (made,) = runs_in(tmp_path / "runs")
    assert api.verify(made).chain.ended == 0

"""A program that serves a model over HTTP, started on a free port and ended with all that it started.

It is real: a process of its own, asked over a loopback socket.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic
from typing import Any

HOST = "127.0.0.1"
BETWEEN_LOOKS = 0.2
"""Seconds from one look at a server that starts to the next."""
TO_END = 20.0
"""Seconds that a server has to end by itself."""
ALONE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "OMP_NUM_THREADS": "1"}
"""Nothing is fetched, nothing is told to anyone, and no core is taken from other tests."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers, at this port."""

    port: int

    @property
    def base_url(self) -> str:
        """Where its OpenAI-compatible part is."""
        return f"http://{HOST}:{self.port}/v1"

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        """What it answers, which must be JSON with status 200."""
        status, answer = _ask(self.port, "POST", path, json.dumps(body).encode())
        assert status == 200, f"{path}: HTTP {status}: {answer!r:.500}"
        return json.loads(answer)


@contextmanager
def serving(command: Sequence[str], log: Path, *, within: float) -> Iterator[Served]:
    """The server of this command, to which host and port are added, once `/health` says that it is well.

    Fails with the end of its log where it dies, or is not well `within` so many seconds.
    """
    port = _free_port()
    with log.open("wb") as written:
        process = subprocess.Popen(
            [*command, "--host", HOST, "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ALONE},
            start_new_session=True,  # so that what it starts ends with it
        )
    try:
        _wait_until_well(process, port, log, monotonic() + within)
        yield Served(port)
    finally:
        _end(process)


def _wait_until_well(process: subprocess.Popen[bytes], port: int, log: Path, deadline: float) -> None:
    while not _is_well(port):
        with suppress(subprocess.TimeoutExpired):
            process.wait(BETWEEN_LOOKS)
        ended = process.poll()
        told = f"{' '.join(map(str, process.args))}:\n{log.read_text('utf-8', 'replace')[-3000:]}"
        assert ended is None, f"ended with {ended} before it answered: {told}"
        assert monotonic() < deadline, f"does not answer: {told}"


def _is_well(port: int) -> bool:
    try:
        return _ask(port, "GET", "/health")[0] == 200
    except (OSError, HTTPException):
        return False


def _ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body is not None else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(TO_END)
    with suppress(ProcessLookupError):  # whatever is left of the group, its first process gone or not
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])

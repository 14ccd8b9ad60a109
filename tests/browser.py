"""A real browser for tests: Debian's Chromium, driven over its own pipe, with everything that it fetches on record."""

from __future__ import annotations

import json
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60.0
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps"),
    *("--disable-extensions", "--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe"),
)
KEYS = {"ArrowDown": 40, "ArrowUp": 38, "ArrowLeft": 37, "ArrowRight": 39, "PageDown": 34, "PageUp": 33, "Tab": 9}
KEYS |= {"Home": 36, "End": 35, "Escape": 27, "Enter": 13, "/": 191}


class Browser:
    """One page of one browser. `events` are what it told, in order: requests, errors, violations of the policy."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._last = 0
        self._held = b""
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []

    # --- talking to it -----------------------------------------------------------------------------------------

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        self._last += 1
        told = {"id": self._last, "method": method, "params": params}
        if self._session is not None:
            told["sessionId"] = self._session
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(told).encode() + b"\0")
        self._process.stdin.flush()
        while (heard := self._hear()).get("id") != self._last:
            self.events.append(heard)
        assert "error" not in heard, (method, heard["error"])
        result: dict[str, Any] = heard["result"]
        return result

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._held:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"the browser said nothing for {PATIENCE:.0f} s"
            read = self._process.stdout.read1(1 << 20)  # type: ignore[attr-defined]
            assert read, "the browser is gone"
            self._held += read
        line, _, self._held = self._held.partition(b"\0")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def attach(self) -> None:
        """A fresh page, from now on the one that is meant."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    # --- what a reader does ------------------------------------------------------------------------------------

    def open(self, address: str | Path) -> None:
        """Go to an address, or a file's, and wait until it is loaded; what was told of earlier pages is forgotten."""
        url = address.as_uri() if isinstance(address, Path) else address
        for to in ("about:blank", url):
            self.events.clear()
            self.call("Page.navigate", url=to)
            self._until("Page.loadEventFired")

    def _until(self, method: str) -> None:
        seen = 0
        while True:
            if any(event.get("method") == method for event in self.events[seen:]):
                return
            seen = len(self.events)
            self.events.append(self._hear())

    def js(self, expression: str) -> Any:
        """What an expression comes to; promises are awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, *keys: str) -> None:
        for key in keys:
            about = {"key": key, "windowsVirtualKeyCode": KEYS[key], "code": key}
            text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
            self.call("Input.dispatchKeyEvent", type="keyDown", **about, **text)
            self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def prefer(self, **features: str) -> None:
        """Media features by name, `_` for `-`: `prefers_color_scheme="dark"`."""
        held = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=held)

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of what is seen, or of the whole page."""
        from base64 import b64decode

        return b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"])

    # --- what it told ------------------------------------------------------------------------------------------

    def fetched(self) -> list[str]:
        """The addresses that were asked for, but for the page's own."""
        asked = [event["params"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [one["request"]["url"] for one in asked if one.get("type") != "Document"] + [
            one["request"]["url"] for one in asked[1:] if one.get("type") == "Document"
        ]

    def complaints(self) -> list[str]:
        """Errors and warnings: thrown, printed, or logged, what the policy refused among them."""
        found = []
        for event in self.events:
            match event.get("method"):
                case "Runtime.exceptionThrown":
                    found.append(str(event["params"]["exceptionDetails"]))
                case "Runtime.consoleAPICalled":
                    found.append(str(event["params"]["args"]))
                case "Log.entryAdded" if event["params"]["entry"]["level"] in ("error", "warning"):
                    found.append(event["params"]["entry"]["text"])
        return found


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own under `folder`; the test is skipped where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    # The pipe's two ends are descriptors 3 and 4; whatever the program prints goes elsewhere.
    command = f'exec "$0" "$@" --user-data-dir="{folder}" 3<&0 4>&1 1>/dev/null'
    process = subprocess.Popen(
        ["sh", "-c", command, program, *FLAGS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        browser = Browser(process)
        browser.attach()
        yield browser
        browser._session = None
        browser.call("Browser.close")
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

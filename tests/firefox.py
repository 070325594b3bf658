"""A stock Firefox for the tests, driven by WebDriver BiDi.

Playwright's own protocol needs a patched Firefox, and its BiDi sends a
command that Debian's does not know. What the tests need of the protocol is
little: see https://www.w3.org/TR/webdriver-bidi/.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import websocket

from tests.built import missing

NAMES = ("firefox-esr", "firefox")
START, REPLY = 60, 120  # seconds

#: No motion, and no way out: what is not on the disk cannot be had.
PREFERENCES = {
    "ui.prefersReducedMotion": 1,
    "network.proxy.type": 1,
    "network.proxy.socks": "127.0.0.1",
    "network.proxy.socks_port": 9,
}
EVENTS = ["log.entryAdded", "network.beforeRequestSent"]
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "ArrowRight": "\ue014"}
# Values cross the protocol as JSON.
CALL = """async (values) =>
  JSON.stringify(await ({})(...JSON.parse(values))) ?? "null" """


@contextmanager
def open_firefox() -> Iterator[FirefoxPage]:
    """Open Firefox with a page; skip the test where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        missing("no Firefox on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder)
        settings = [
            f"user_pref({json.dumps(name)}, {json.dumps(value)});"
            for name, value in PREFERENCES.items()
        ]
        (profile / "user.js").write_text("\n".join(settings))
        options = ["--headless", "--no-remote", "--profile", folder]
        process = subprocess.Popen(
            [path, *options, "--remote-debugging-port", "0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            page = FirefoxPage(find_address(profile))
            yield page
            page.close()
        finally:
            process.terminate()
            process.wait(START)


def find_address(profile: Path) -> str:
    """Wait until Firefox has written where it listens."""
    file = profile / "WebDriverBiDiServer.json"
    end = time.monotonic() + START
    while time.monotonic() < end:
        with suppress(OSError, ValueError, KeyError):
            found = json.loads(file.read_text())
            return f"ws://{found['ws_host']}:{found['ws_port']}/session"
        time.sleep(0.1)
    raise TimeoutError("Firefox does not listen")


class FirefoxPage:
    """A page of Firefox that records its requests and its errors."""

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(
            address, timeout=REPLY, suppress_origin=True
        )
        self.sent = 0
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.send("session.new", capabilities={})
        # Without a window system, only a new tab has the focus.
        tab = self.send("browsingContext.create", type="tab")
        self.context: str = tab["context"]
        self.send("session.subscribe", events=EVENTS)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command, and note what happens until its reply."""
        self.sent += 1
        command = {"id": self.sent, "method": method, "params": params}
        self.socket.send(json.dumps(command))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.sent:
                assert message["type"] == "success", message
                result: dict[str, Any] = message["result"]
                return result
            self.note(message["method"], message["params"])

    def note(self, event: str, params: dict[str, Any]) -> None:
        if event == "network.beforeRequestSent":
            self.requests.append(params["request"]["url"])
        elif event == "log.entryAdded" and params["level"] == "error":
            self.errors.append(params["text"])

    def open(self, address: str) -> None:
        """Open a page, and wait until it has loaded."""
        self.send(
            "browsingContext.navigate",
            context=self.context,
            url=address,
            wait="complete",
        )

    def evaluate(self, function: str, *values: Any) -> Any:
        """Call a function of JavaScript in the page."""
        found = self.send(
            "script.callFunction",
            functionDeclaration=CALL.format(function),
            arguments=[{"type": "string", "value": json.dumps(values)}],
            target={"context": self.context},
            awaitPromise=True,
        )
        assert found["type"] == "success", found["exceptionDetails"]
        return json.loads(found["result"]["value"])

    def wait_until(self, condition: str) -> None:
        """Wait until a function of JavaScript returns true."""
        end = time.monotonic() + REPLY
        while not self.evaluate(condition):
            assert time.monotonic() < end, f"still not true: {condition}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """Press a key as a user does, wherever the focus is."""
        value = KEYS[key]
        actions = [
            {"type": kind, "value": value} for kind in ("keyDown", "keyUp")
        ]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        self.send(
            "input.performActions",
            context=self.context,
            actions=[keyboard],
        )

    def resize(self, size: dict[str, int]) -> None:
        """Set the size of the window, without its frame."""
        self.send(
            "browsingContext.setViewport",
            context=self.context,
            viewport=size,
        )

    def external(self) -> list[str]:
        local = ("file:", "data:", "blob:", "about:")
        return [url for url in self.requests if not url.startswith(local)]

    def close(self) -> None:
        self.send("browser.close")
        self.socket.close()

"""A real browser without a window, driven over a pipe: pages, keys, themes, screenshots, and what it complains of."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
EXECUTABLE = next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page; `complaints` are console messages, uncaught errors and requests beyond files and data."""

    def __init__(self, process: subprocess.Popen[bytes], to: int, back: int) -> None:
        self.process, self.to, self.back = process, os.fdopen(to, "wb", buffering=0), os.fdopen(back, "rb")
        self.number, self.session, self.complaints, self.events = 0, "", [], []
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self.session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        """Calls a method of Chrome's DevTools protocol, and waits for its answer."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        self.to.write(json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self.number:
                assert "error" not in answer, f"{method}: {answer}"
                return answer["result"]

    def open(self, page: Path, width: int = 1280, height: int = 900, theme: str = "light") -> None:
        """Loads a file at a window's size and in a theme, and waits until it is drawn."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.theme(theme)
        self.events.clear()
        self("Page.navigate", url=page.resolve().as_uri())
        while "Page.loadEventFired" not in self.events:
            self._read()

    def theme(self, name: str) -> None:
        """Asks for "light" or "dark"; the page hears of it with its next frame."""
        self("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])
        self.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is on the page; a promise is awaited."""
        answer = self("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, times: int = 1) -> None:
        code = {"ArrowLeft": 37, "ArrowRight": 39, "Tab": 9}[key]
        for _ in range(times):
            for kind in ("keyDown", "keyUp"):
                self("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def screenshot(self, path: Path, selector: str | None = None) -> None:
        """A PNG of the window, or of the element that a selector names, wherever on the page it is."""
        clip = {}
        if selector:
            box = self.value(
                f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
                "return {x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height, scale: 1} })()"
            )
            clip = {"clip": box, "captureBeyondViewport": True}
        path.write_bytes(base64.b64decode(self("Page.captureScreenshot", **clip)["data"]))

    def _read(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self.back.read(1)) != b"\0":
            assert byte, "the browser has gone"
            message += byte
        answer = json.loads(message)
        method, params = answer.get("method", ""), answer.get("params", {})
        self.events.append(method)
        if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(f"console: {params['args']}")
        if method == "Runtime.exceptionThrown":
            self.complaints.append(f"exception: {params['exceptionDetails']}")
        if method == "Log.entryAdded":
            self.complaints.append(f"log: {params['entry']['text']}")
        if method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(
            ("file:", "data:", "blob:")
        ):
            self.complaints.append(f"request: {params['request']['url']}")
        return answer


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Starts the browser with a profile folder of its own; it ends with the block."""
    assert EXECUTABLE
    theirs_in, to = os.pipe()
    back, theirs_out = os.pipe()
    command = [EXECUTABLE, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    command += ["--disable-dev-shm-usage", "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]
    # Chrome reads file descriptor 3 and writes 4; the shell puts ours there, however high they are
    shell = ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", *command]
    process = subprocess.Popen(shell, pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL)
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Browser(process, to, back)
    finally:
        process.terminate()
        process.wait(timeout=30)

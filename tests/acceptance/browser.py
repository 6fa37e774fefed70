"""A headless Chromium, told what to do by the Chrome DevTools protocol; nothing is installed for it but the browser."""

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

__all__ = ["Page", "find_browser", "open_page"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SECONDS = 60.0


def find_browser() -> str | None:
    """Return the program; None when there is none on the path."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


class Page:
    """A page that is clicked and typed into as a person does."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.complaints: list[str] = []
        """Errors of scripts, refusals of the security policy, and files that could not be loaded."""

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            told = json.loads(self._socket.recv(timeout=_SECONDS))
            self._note(told)
            if told.get("id") == number:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']['message']}")
                result: dict[str, Any] = told["result"]
                return result

    def attach(self) -> None:
        """Begin a page of its own."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def _note(self, told: dict[str, Any]) -> None:
        facts = told.get("params", {})
        if told.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(facts["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif told.get("method") == "Log.entryAdded" and facts["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{facts['entry']['text']} {facts['entry'].get('url', '')}")

    def size(self, width: int, height: int, *, phone: bool = False, dark: bool = False) -> None:
        """Be so large, in the points of style sheets."""
        factor = 2 if phone else 1
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=factor, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def scripts(self, allowed: bool) -> None:
        """Let the page run its scripts, or not."""
        self.call("Emulation.setScriptExecutionDisabled", value=not allowed)

    def go(self, url: str) -> None:
        """Load a page, whole."""
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def ask(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in told:
            raise RuntimeError(told["exceptionDetails"]["exception"].get("description", expression))
        return told["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + _SECONDS
        while not self.ask(expression):
            if time.monotonic() > end:
                raise TimeoutError(f"Never true: {expression}")
            time.sleep(0.05)

    def click(self, expression: str) -> None:
        """Click with the mouse where an element is."""
        place = self.ask(
            f"(() => {{ const node = {expression}; node.scrollIntoView({{block: 'center', behavior: 'instant'}});"
            " const box = node.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def type(self, expression: str, text: str) -> None:
        """Click into a field and write, instead of what stands there."""
        self.click(expression)
        self.ask(f"{expression}.select()")
        self.call("Input.insertText", text=text)

    def picture(self, path: Path) -> None:
        """Write a PNG of the page from its top to its end."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        told = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(told["data"]))


@contextmanager
def open_page(browser: str) -> Iterator[Page]:
    """Start the browser and open a page; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="rvscat-browser-", ignore_cleanup_errors=True) as folder:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        options = ["--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
        process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port, path = _address(Path(folder), process)
            with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, open_timeout=_SECONDS) as socket:
                page = Page(socket)
                page.attach()
                yield page
        finally:
            process.terminate()
            process.wait(_SECONDS)


def _address(folder: Path, process: "subprocess.Popen[bytes]") -> tuple[int, str]:
    file = folder / "DevToolsActivePort"
    end = time.monotonic() + _SECONDS
    while not file.is_file() or len(lines := file.read_text().splitlines()) < 2:
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"The browser does not start: {' '.join(map(str, process.args))}")  # type: ignore[arg-type]
        time.sleep(0.1)
    return int(lines[0]), lines[1]

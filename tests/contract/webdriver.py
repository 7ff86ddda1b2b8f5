"""A browser driven over the WebDriver protocol: Chromium through its driver, with the standard library."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
)
_PATIENCE = 120.0
_opener = build_opener(ProxyHandler({}))


def missing() -> str:
    """What is not installed, in words; empty when everything is."""
    wanted = {"Chromium": _chromium(), "chromedriver": shutil.which("chromedriver")}
    return ", ".join(name for name, found in wanted.items() if not found)


@contextmanager
def browser() -> Iterator[Browser]:
    """A fresh browser with a profile of its own, gone at the end."""
    with tempfile.TemporaryDirectory() as profile, _driver() as address:
        options = {"binary": _chromium(), "args": [*_FLAGS, f"--user-data-dir={Path(profile) / 'user'}"]}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        session = _call("POST", f"{address}/session", wanted)["sessionId"]
        running = Browser(f"{address}/session/{session}")
        try:
            yield running
        finally:
            _call("DELETE", running.session)


class Browser:
    """One window."""

    def __init__(self, session: str) -> None:
        self.session = session

    def open(self, url: str) -> int:
        """Go there; the HTTP status of the page."""
        _call("POST", f"{self.session}/url", {"url": url})
        return self.script("return performance.getEntriesByType('navigation')[0].responseStatus")

    def show(self, page: str, folder: Path) -> None:
        """Open HTML that nobody serves."""
        file = folder / "page.html"
        file.write_text(page, encoding="utf-8")
        _call("POST", f"{self.session}/url", {"url": file.as_uri()})

    def resize(self, width: int) -> None:
        """How wide the page is from now on, also where no window of that width can be."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        command = {"cmd": "Emulation.setDeviceMetricsOverride", "params": size}
        _call("POST", f"{self.session}/goog/cdp/execute", command)

    def script(self, text: str) -> Any:
        return _call("POST", f"{self.session}/execute/sync", {"script": text, "args": []})

    def text(self) -> str:
        """What a person reads on the page."""
        (body,) = self.find("//body")
        return _call("GET", f"{self.session}/element/{body}/text")

    def reads(self, words: str) -> bool:
        """Whether the page says so, as soon as it does: after a click the next page may be on its way."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            with suppress(HTTPError, ValueError):
                if words in self.text():
                    return True
            time.sleep(0.05)
        return False

    def find(self, xpath: str) -> list[str]:
        """The elements that match, in the page's order."""
        found = _call("POST", f"{self.session}/elements", {"using": "xpath", "value": xpath})
        return [each[_ELEMENT] for each in found]

    def click(self, xpath: str) -> None:
        (element,) = self.find(xpath)
        _call("POST", f"{self.session}/element/{element}/click", {})

    def choose(self, name: str, place: int) -> None:
        """Pick the option at a place of the drop-down list of that name."""
        option = self.find(f"//select[@name='{name}']/option")[place]
        _call("POST", f"{self.session}/element/{option}/click", {})

    def names(self, xpath: str) -> list[str]:
        """The names of form fields."""
        return [_call("GET", f"{self.session}/element/{each}/attribute/name") for each in self.find(xpath)]


@contextmanager
def _driver() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [shutil.which("chromedriver") or "", f"--port={port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address)
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait_for(address: str) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            _call("GET", f"{address}/status")
            return
        except URLError:
            time.sleep(0.05)
    raise TimeoutError(f"chromedriver does not answer at {address}")


def _call(method: str, url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json"}, method=method)
    with _opener.open(request, timeout=_PATIENCE) as answer:
        return json.load(answer)["value"]


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

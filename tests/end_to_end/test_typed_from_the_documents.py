"""What README and the starter of `init` tell a newcomer to type, typed literally at a terminal: it ends as they say."""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.typing import Terminal, commands, terminal

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
READY = ROOT / ".venv" / ".ready"
HURRIED = {"MERCHANTCTL_CREATE_SETTLE": "0.2"}
INSTALLED = {"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a terminal is a pseudo-terminal here")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Newcomer:
    """Types line after line; opens the page of a link that is printed, and waits as long as the document says."""

    def __init__(self, at: Terminal, port: int) -> None:
        self._at, self._port = at, port
        self.printed: list[tuple[str, str]] = []

    def types(self, line: str) -> str:
        code, printed = self._at.typed(line.replace("8787", str(self._port)))
        assert code == 0, f"{line} → {code}\n{printed}"
        self.printed.append((line, printed))
        if line.startswith("merchantctl emulator"):
            self._at.typed(f"until curl -s http://127.0.0.1:{self._port}/ >/dev/null; do sleep 0.1; done")
        if line.startswith("merchantctl link"):
            self._authorises(printed)
        return printed

    def of(self, beginning: str) -> list[str]:
        """What the lines that begin so printed, in their order."""
        return [printed for line, printed in self.printed if line.startswith(beginning)]

    def _authorises(self, printed: str) -> None:
        """The merchant presses the button; a minute later the books are pulled."""
        (link,) = re.findall(r"^http://\S+/start$", printed, flags=re.MULTILINE)
        with httpx.Client(follow_redirects=True) as browser:
            page = browser.get(link).text
            assert '<button name="action" value="authorise">Authorise</button>' in page
            fields = dict(re.findall(r'<input name="(\w+)" value="([^"]*)"', page))
            browser.post(link, data=fields | {"action": "authorise"}).raise_for_status()
        self.control("/clock", {"advance": "PT1M"})

    def control(self, path: str, body: object) -> None:
        httpx.post(f"http://127.0.0.1:{self._port}/_emulator{path}", json=body).raise_for_status()

    def written(self) -> dict[str, int]:
        counts = httpx.get(f"http://127.0.0.1:{self._port}/_emulator/requests").json()["counts"]
        return {call: times for call, times in counts.items() if not call.startswith("GET ")}


@pytest.mark.computes
@pytest.mark.skipif(not READY.exists(), reason="`make setup` has not been done here, and is not a test's to do")
def test_the_first_real_use_of_the_readme_ends_as_it_says_and_again_with_another_copy_in_the_same_folder(
    tmp_path: Path,
) -> None:
    lines = commands(README.read_text(encoding="utf-8"), "## First real use")
    assert {"make setup", "merchantctl init", "merchantctl emulator", "merchantctl drift"} <= {
        " ".join(line.split()[:2]) for line in lines
    }
    for _ in range(2):
        with terminal(ROOT, tmp_path, HURRIED) as shell:
            newcomer = Newcomer(shell, free_port())
            for line in lines:
                newcomer.types(line)
            first, mapped = newcomer.of("merchantctl apply")
            assert "Doctor: all is well." in newcomer.of("merchantctl doctor")[0]
            assert "1 merchant: all sound." in newcomer.of("merchantctl validate")[0]
            assert "create the company" in first
            assert "1 done" in first
            assert "~ set the configuration" in mapped
            assert "1 done" in mapped
            assert "Drift: none in 1 merchant." in newcomer.of("merchantctl drift")[0]
            assert "1 in sync. 0 writes" in newcomer.of("merchantctl plan")[-1]
            assert newcomer.written() == {
                "POST /meta/companies/sync": 1,
                "POST /meta/companies/{companyId}/connections": 1,
                "POST /config/companies/{companyId}/sync/commerce": 1,
            }


@pytest.mark.computes
def test_the_starter_of_init_works_on_the_local_copy_to_the_last_line(tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    folder.mkdir()
    with terminal(folder, tmp_path, HURRIED | INSTALLED) as shell:
        newcomer = Newcomer(shell, free_port())
        newcomer.types("merchantctl init")
        for line in commands((folder / "README.md").read_text(encoding="utf-8"), "## Next steps"):
            newcomer.types(line)
            if line == "merchantctl status":
                assert "Status: 0 of 1 merchant ready." in newcomer.of(line)[0]
        assert "1 done" in newcomer.of("merchantctl apply")[-1]
        assert "Imported 1 merchant" in newcomer.of("merchantctl import")[0]
        assert "1 in sync. 0 writes" in newcomer.of("merchantctl plan")[-1]
        assert "ok    manifests" in newcomer.types("merchantctl doctor")
        assert "Drift: none in 1 merchant." in newcomer.types("merchantctl drift")

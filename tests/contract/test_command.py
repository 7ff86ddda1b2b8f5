"""`merchantctl emulator` as a process: what it prints, what it keeps in its file, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from controller.cli.main import group
from tests.narrowing import present
from tests.processes import PythonProcess

START = [sys.executable, "-c", "from controller.cli.emulator import command; command()", "--port", "0"]


class Process:
    """A running command: its first line, and a client for what it serves."""

    def __init__(self, *options: str, api_key: str = "emulator") -> None:
        self.process = PythonProcess([*START, *options], stdout=subprocess.PIPE)
        self._out = present(self.process.stdout)
        self.line = self._out.readline()
        self.url = self.line.split()[2]
        key = b64encode(api_key.encode()).decode()
        self.api = httpx.Client(base_url=self.url, headers={"Authorization": f"Basic {key}"}, trust_env=False)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGTERM)

    def end(self, number: int) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        self.process.wait(60)
        self.api.close()
        self._out.close()


def world_of(server: Process) -> list[dict[str, Any]]:
    companies = server.api.get("/companies", params={"pageSize": 5000}).json()["results"]
    return [
        {
            "company": company | {"redirect": None, "dataConnections": None},
            "connections": [each | {"linkUrl": None} for each in company["dataConnections"]],
            "configuration": server.api.get(f"/config/companies/{company['id']}/sync/commerce").json(),
            "status": server.api.get(f"/companies/{company['id']}/dataStatus").json(),
            "accounts": server.api.get(f"/companies/{company['id']}/data/accounts").json().get("results"),
        }
        for company in companies
    ]


def test_it_says_where_it_listens_and_which_key_it_wants() -> None:
    with Process("--api-key", "sesame", api_key="sesame") as server:
        assert server.line.startswith("Emulator on http://127.0.0.1:")
        assert "sesame" in server.line
        assert server.api.get("/companies").status_code == 200
        assert server.api.get("/companies", headers={"Authorization": "Basic eA=="}).status_code == 401


def test_the_default_key_is_emulator() -> None:
    with Process() as server:
        assert server.api.get("/companies").status_code == 200


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_data_file_survives_a_restart(tmp_path: Path, ending: signal.Signals) -> None:
    file = str(tmp_path / "world.db")
    with Process("--data", file) as server:
        server.api.post("/_emulator/seed", json={"companies": 3, "state": "configured"})
        made = server.api.post("/_emulator/seed", json={"companies": 2, "platform": "qhyg"}).json()
        waiting = made["merchants"][0]
        consent = f"companies/{waiting['companyId']}/connections/{waiting['accountingConnectionId']}"
        server.api.post(f"/_emulator/{consent}/authorize")
        server.api.post("/_emulator/clock", json={"advance": "PT1M"})
        first, second, *_ = world_of(server)
        account = first["accounts"][0]
        server.api.delete(f"/_emulator/companies/{first['company']['id']}/accounts/{account['id']}")
        server.api.delete(f"/companies/{second['company']['id']}")
        server.api.patch(f"/_emulator/companies/{first['company']['id']}/configuration", json={"new": {"a": 1}})
        before = world_of(server)
        assert len(before) == 4
        server.end(ending)

    with Process("--data", file) as server:
        assert world_of(server) == before
        assert server.api.get("/_emulator/clock").json()["aheadSeconds"] == 60
        server.api.post("/meta/companies/sync", json={"name": "later"})
        assert server.api.get("/companies").json()["results"][-1]["name"] == "later"
        server.api.post("/_emulator/reset")
        server.end(ending)

    with Process("--data", file) as server:
        assert world_of(server) == []


def test_a_pull_that_was_running_at_the_end_is_done_after_the_restart(tmp_path: Path) -> None:
    file = str(tmp_path / "world.db")
    with Process("--data", file) as server:
        (merchant,) = server.api.post("/_emulator/seed", json={"companies": 1}).json()["merchants"]
        consent = f"companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}"
        server.api.post(f"/_emulator/{consent}/authorize")
        server.end(signal.SIGKILL)

    with Process("--data", file) as server:
        server.api.post("/_emulator/clock", json={"advance": "PT1M"})
        status = server.api.get(f"/companies/{merchant['companyId']}/dataStatus").json()
        assert {entry["currentStatus"] for entry in status.values()} == {"Complete"}
        accounts = server.api.get(f"/companies/{merchant['companyId']}/data/accounts").json()
        assert accounts["totalResults"] == 9


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with Process() as server:
        port = server.url.rsplit(":", 1)[1]

        second = subprocess.run([*START[:-1], port], capture_output=True, text=True, timeout=300, check=False)

    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("content", [b"not a database at all, just text", b"SQLite format 3\x00 but no more"])
def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(content)

    answer = CliRunner().invoke(group, ["emulator", "--port", "0", "--data", str(file)])

    assert answer.exit_code == 1
    assert "notes.txt" in answer.output
    assert file.read_bytes() == content


def test_help_shows_examples() -> None:
    answer = CliRunner().invoke(group, ["emulator", "--help"])

    assert answer.exit_code == 0
    for word in ("--data", "--strict", "--merge", "CODAT_BASE_URL"):
        assert word in answer.output


def account(server: Process) -> str:
    return server.api.get("/profile/syncSettings").json()["clientId"]


def test_every_emulator_is_another_account_unless_its_file_or_an_option_says_which(tmp_path: Path) -> None:
    file = str(tmp_path / "world.db")
    with Process("--data", file) as one, Process() as other:
        first = account(one)
        assert account(other) != first
        one.end(signal.SIGKILL)
    with Process("--data", file) as again:
        assert account(again) == first
        again.api.post("/_emulator/reset")
    with Process("--data", file, "--account", "mine") as named:
        assert account(named) == "mine"
    with Process("--data", file) as again:
        assert account(again) == "mine"

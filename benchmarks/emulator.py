"""What the emulator costs: start, seeding, configuration reads, lists, memory. `python -m benchmarks.emulator`.

The targets are for one core: 10,000 companies seeded in 5 s, 2,000 configuration reads a second, 400 MiB.
Reads are given per second of the server's own processor time, which a busy machine changes least.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

COMPANIES = 10_000
_IN_FLIGHT = 16
_CREDENTIAL = "Basic " + b64encode(b"emulator").decode()
_COMMAND = "from controller.cli.emulator import command; command()"
_direct = build_opener(ProxyHandler({}))


def measure(companies: int = COMPANIES) -> dict[str, float]:
    """Figure by name; the unit is part of the name."""
    begun = time.perf_counter()
    with _served() as (url, pid):
        figures = {"start, s": time.perf_counter() - begun}
        order = {"companies": companies, "state": "configured"}
        seeded, figures["seed, s"] = _timed(url, "POST", "/_emulator/seed", order)
        ids = [each["companyId"] for each in seeded["merchants"]]
        for name in ("first reads of a configuration, per CPU s", "later reads, per CPU s"):
            before = _processor_seconds(pid)
            asyncio.run(_read_all(url, ids))
            figures[name] = companies / (_processor_seconds(pid) - before)
        _, figures["a page of 5,000 companies, s"] = _timed(url, "GET", "/meta/companies?page=1&pageSize=5000")
        figures["memory, MiB"] = _resident_mib(pid)
    return figures


@contextmanager
def _served() -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-c", _COMMAND, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[2], process.pid
        finally:
            process.terminate()


def _timed(url: str, method: str, path: str, body: Any = None) -> tuple[Any, float]:
    data = None if body is None else json.dumps(body).encode()
    begun = time.perf_counter()
    request = Request(url + path, data, {"Authorization": _CREDENTIAL}, method=method)
    with _direct.open(request) as answer:
        content = answer.read()
    return json.loads(content), time.perf_counter() - begun


async def _read_all(url: str, ids: list[str]) -> None:
    """Each configuration once, over a few connections that stay open; the client does as little as it can."""
    host, port = url.removeprefix("http://").split(":")
    waiting = list(ids)

    async def read_some() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while waiting:
            path = f"/config/companies/{waiting.pop()}/sync/commerce"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {_CREDENTIAL}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        writer.close()

    await asyncio.gather(*(read_some() for _ in range(_IN_FLIGHT)))


def _processor_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mib(pid: int) -> float:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    for name, value in measure().items():
        sys.stdout.write(f"{value:10.2f}  {name}\n")

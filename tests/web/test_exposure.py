"""Strangers on the web port: what they may see, how much they may take, and that others are served meanwhile."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from controller.cli.main import run
from controller.model.controller_status import ControllerStatus
from controller.settings import InvalidSettings, load_settings
from controller.telemetry.metrics import Metrics
from controller.web.access import AccessPolicy
from controller.web.app import PortContent, create_app
from controller.web.connection_limits import ConnectionLimits
from controller.web.context import WebContext, parse_webhook_secrets
from controller.web.server_thread import serving_web
from state import open_state
from tests.web.conftest import AUTHORIZATION, SECRET

TOKEN = "a-long-random-word"
CHUNKED = b"POST /webhooks HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n"
QUICK = ConnectionLimits(connections=40, header_s=0.5, body_s=1.0, answer_s=1.0)


@asynccontextmanager
async def serving(
    folder: Path,
    access: AccessPolicy = AccessPolicy(),
    limits: ConnectionLimits = ConnectionLimits(),
    serves: PortContent | None = None,
) -> AsyncIterator[str]:
    @asynccontextmanager
    async def opening() -> AsyncIterator[WebContext]:
        async with open_state(f"sqlite:///{folder}/web.db") as store:
            yield WebContext(
                latest=ControllerStatus,
                store=store,
                enqueue=lambda names: None,
                not_ready_reason=lambda: None,
                metrics=Metrics(),
                now=lambda: datetime.now(UTC),
                service_now=lambda: datetime.now(UTC),
                secrets=parse_webhook_secrets(SECRET, AUTHORIZATION),
                git_secret=b"agreed",
                request_fetch=lambda: None,
            )

    app = create_app(opening, access) if serves is None else create_app(opening, access, serves)
    async with serving_web(app, "127.0.0.1", 0, limits) as url:
        yield url


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port), timeout=120) as connection:
        yield connection


async def get(url: str, path: str = "/", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=120) as client:
        return await client.get(path, headers=headers)


async def closed(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        await reader.read()


def resident_kib() -> int:
    """The memory of this process as it is now; the most that it ever was says nothing of one test."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1])


def is_closed(connection: socket.socket) -> bool:
    """Reads until the other side closes; the bytes do not matter."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionError:
        pass
    return True


class TestConnections:
    @pytest.mark.parametrize(
        "start",
        [
            b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ",
            b"POST /webhooks HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n{",
        ],
        ids=["headers", "body"],
    )
    async def test_three_hundred_that_never_finish_what_they_send_keep_nobody_else_out(
        self, tmp_path: Path, start: bytes
    ) -> None:
        async with serving(tmp_path, limits=ConnectionLimits(connections=40, header_s=600, body_s=600)) as url:
            address = httpx.URL(url)
            slow = []
            for _ in range(300):
                reader, writer = await asyncio.open_connection(address.host, address.port)
                writer.write(start)
                slow.append((reader, writer))
            for _ in range(20):
                assert (await get(url)).status_code == 200
            ended = [asyncio.create_task(closed(reader)) for reader, _ in slow]
            for one in islice(asyncio.as_completed(ended, timeout=120), 260):
                await one
            assert sum(each.done() for each in ended) < 300, "so many as are beyond forty"
            for task, (_, writer) in zip(ended, slow, strict=True):
                task.cancel()
                writer.close()

    @pytest.mark.waits
    async def test_headers_that_do_not_end_in_time_end_the_connection(self, tmp_path: Path) -> None:
        async with serving(tmp_path, limits=QUICK) as url:
            with connected(url) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n")
                assert await asyncio.to_thread(is_closed, connection)

    @pytest.mark.waits
    async def test_a_connection_that_says_nothing_ends(self, tmp_path: Path) -> None:
        async with serving(tmp_path, limits=QUICK) as url:
            with connected(url) as connection:
                assert await asyncio.to_thread(is_closed, connection)

    @pytest.mark.waits
    async def test_a_second_request_on_a_connection_has_the_same_time(self, tmp_path: Path) -> None:
        async with serving(tmp_path, limits=QUICK) as url:
            with connected(url) as connection:
                request = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n"
                connection.sendall(request + b"\r\n")
                assert b"200 OK" in await asyncio.to_thread(connection.recv, 65_536)
                connection.sendall(request)
                assert await asyncio.to_thread(is_closed, connection)

    @pytest.mark.parametrize(
        "start",
        [
            b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-large: ",
            b"GET /",
            CHUNKED + b"2\r\n{}\r\n0\r\nx-large: ",
            CHUNKED + b"2;x-large=",
        ],
        ids=["header", "address", "trailer", "extension of a chunk"],
    )
    async def test_a_header_of_forty_megabytes_is_cut_short_and_takes_no_memory(
        self, tmp_path: Path, start: bytes
    ) -> None:
        async with serving(tmp_path) as url:
            before = resident_kib()

            def flood() -> None:
                with connected(url) as connection:
                    connection.sendall(start)
                    for _ in range(40):
                        connection.sendall(b"x" * 1_000_000)

            with pytest.raises(OSError, match=r"reset|pipe"):
                await asyncio.to_thread(flood)
            assert (await get(url)).status_code == 200
            assert resident_kib() - before < 20_000

    async def test_bodies_that_are_not_proven_yet_take_no_memory(self, tmp_path: Path) -> None:
        """A push may have 25 MB, and whoever sends one is known only when all of it has come."""
        head = b"POST /webhooks/git HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 10000001\r\n\r\n"
        async with serving(tmp_path) as url:
            before = resident_kib()
            with ExitStack() as stack:
                for _ in range(8):
                    connection = stack.enter_context(connected(url))
                    await asyncio.to_thread(connection.sendall, head + b"x" * 10_000_000)
                assert (await get(url)).status_code == 200
                assert resident_kib() - before < 40_000
                connection.sendall(b"x")
                assert b"401" in await asyncio.to_thread(connection.recv, 65_536)

    async def test_pieces_of_a_body_may_be_as_small_as_they_like(self, tmp_path: Path) -> None:
        pieces = b"1\r\nx\r\n" * 20_000
        async with serving(tmp_path) as url:
            with connected(url) as connection:
                await asyncio.to_thread(connection.sendall, CHUNKED + pieces + b"0\r\n\r\n")
                assert b"401" in await asyncio.to_thread(connection.recv, 65_536)

    async def test_a_body_nobody_asked_for_ends_with_the_answer(self, tmp_path: Path) -> None:
        async with serving(tmp_path) as url:
            with connected(url) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100000000\r\n\r\nx")
                assert b"200 OK" in await asyncio.to_thread(connection.recv, 65_536)

                def send_the_rest() -> None:
                    for _ in range(100):
                        connection.sendall(b"x" * 1_000_000)

                with pytest.raises(OSError, match=r"reset|pipe"):
                    await asyncio.to_thread(send_the_rest)

    @pytest.mark.waits
    async def test_whoever_does_not_read_the_answer_is_not_waited_for(self) -> None:
        ended = Event()

        async def pieces() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 1_000_000
                    await asyncio.sleep(0.001)  # else nobody else has a turn once it is gone
            finally:
                ended.set()

        async def large(request: Request) -> StreamingResponse:
            return StreamingResponse(pieces())

        async with serving_web(Starlette(routes=[Route("/", large)]), "127.0.0.1", 0, QUICK) as url:
            with connected(url) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
                assert await asyncio.to_thread(ended.wait, 30)

    async def test_a_delivery_that_announces_too_much_is_refused_before_it_comes(self, tmp_path: Path) -> None:
        async with serving(tmp_path) as url:
            with connected(url) as connection:
                connection.sendall(b"POST /webhooks HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 900000000\r\n\r\n{")
                assert b"413" in await asyncio.to_thread(connection.recv, 65_536)

    async def test_requests_one_after_another_on_one_connection_are_answered(self, tmp_path: Path) -> None:
        async with serving(tmp_path) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
            for _ in range(50):
                assert (await client.get("/healthz")).text == "ok\n"


class TestWhoMayLook:
    @pytest.mark.parametrize("path", ["/", "/merchants/acme", "/metrics", "/style.css", "/no-such-page"])
    async def test_without_the_token_nothing_is_shown(self, tmp_path: Path, path: str) -> None:
        async with serving(tmp_path, AccessPolicy(token=TOKEN)) as url:
            assert (await get(url, path)).status_code == 401
            assert (await get(url, path, Authorization="Bearer wrong")).status_code == 401
            assert (await get(url, path, Authorization="Basic !!")).status_code == 401

    async def test_the_token_is_taken_as_bearer_and_as_the_password_of_a_browser(self, tmp_path: Path) -> None:
        async with serving(tmp_path, AccessPolicy(token=TOKEN)) as url:
            assert (await get(url, "/metrics", Authorization=f"Bearer {TOKEN}")).status_code == 200
            async with httpx.AsyncClient(base_url=url, trust_env=False, auth=("anyone", TOKEN)) as browser:
                assert (await browser.get("/")).status_code == 200

    async def test_health_and_webhooks_need_no_token(self, tmp_path: Path) -> None:
        async with serving(tmp_path, AccessPolicy(token=TOKEN)) as url:
            assert (await get(url, "/healthz")).status_code == 200
            assert (await get(url, "/readyz")).status_code == 200
            async with httpx.AsyncClient(base_url=url, trust_env=False) as service:
                taken = await service.post("/webhooks", json={}, headers={"Authorization": AUTHORIZATION})
                assert taken.status_code == 202
                pushed = await service.post("/webhooks/git", headers={"X-Gitlab-Token": "agreed", "Host": "me.example"})
                assert pushed.status_code == 202

    async def test_what_did_not_come_through_the_named_proxy_sees_nothing(self, tmp_path: Path) -> None:
        async with serving(tmp_path, AccessPolicy(guard="header:X-Forwarded-User")) as url:
            assert (await get(url)).status_code == 403
            assert (await get(url, **{"X-Forwarded-User": "ann"})).status_code == 200

    async def test_a_name_that_is_allowed_is_served_and_a_stranger_s_is_not(self, tmp_path: Path) -> None:
        async with serving(tmp_path, AccessPolicy(hosts=("fleet.example",))) as url:
            assert (await get(url, Host="fleet.example")).status_code == 200
            assert (await get(url, Host="FLEET.example:8788")).status_code == 200
            assert (await get(url, Host="rebound.example")).status_code == 421

    async def test_ports_of_their_own_serve_nothing_else(self, tmp_path: Path) -> None:
        async with serving(tmp_path, serves=PortContent.WEBHOOKS) as url:
            assert (await get(url, "/healthz")).status_code == 200
            assert (await get(url, "/")).status_code == 404
            assert (await get(url, "/metrics")).status_code == 404
        async with serving(tmp_path, serves=PortContent.METRICS) as url:
            assert (await get(url, "/metrics")).status_code == 200
            assert (await get(url, "/")).status_code == 404


class TestBeyondLoopback:
    @pytest.mark.parametrize(
        "variables",
        [
            {"MERCHANTCTL_LISTEN": "0.0.0.0:0"},
            {"MERCHANTCTL_LISTEN": "[::]:0"},
            {"MERCHANTCTL_LISTEN_METRICS": "0.0.0.0:0"},
        ],
    )
    def test_nothing_listens_without_a_token_or_a_named_guard(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        variables: dict[str, Any],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "manifests").mkdir()
        for name, value in {"CODAT_API_KEY": "k", "CODAT_BASE_URL": "http://127.0.0.1:9", **variables}.items():
            monkeypatch.setenv(name, value)
        assert run(["run"]) == 64
        assert "MERCHANTCTL_WEB_TOKEN" in capsys.readouterr().err
        assert not (tmp_path / "var").exists()

    def test_a_guard_is_a_header_or_the_network(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidSettings, match="neither header:NAME"):
            load_settings({"MERCHANTCTL_WEB_GUARD": "yes"}, tmp_path, {})

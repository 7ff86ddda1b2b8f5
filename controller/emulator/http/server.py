"""Run the emulator as a server on a socket of its own, in the foreground or in a thread."""

from __future__ import annotations

import gc
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from controller.emulator.http.app import build_application
from controller.emulator.service.data_file import DataFile
from controller.emulator.service.world import EmulatorSettings, World

Announce = Callable[[str], None]

_KEEP_ALIVE_S = 75
_EMULATOR_SHUTDOWN_TIMEOUT_S = 1
_GC_THRESHOLDS = (100_000, 50, 100)
"""A large world is long-lived and has no cycles: looking for them took half the time of a read."""
_BACKLOG = 2048


class _FaultableProtocol(HttpToolsProtocol):
    """uvicorn's protocol; gives each request its transport, so that a fault can close the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["emulator.transport"] = self.transport  # type: ignore[typeddict-unknown-key]


class _AnnouncingServer(uvicorn.Server):
    """uvicorn's server; calls `announce` once it listens."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()


def serve_emulator(
    settings: EmulatorSettings, host: str, port: int, announce: Announce, data_path: str | None = None
) -> None:
    """Serve until a signal ends it; `announce(url)` is called once it listens.

    `data_path` is the file that the world is kept in. Raises OSError (port taken), UnusableDataFileError.
    """
    gc.set_threshold(*_GC_THRESHOLDS)
    data_file = DataFile(data_path) if data_path else None
    listener, settings.base_url = _listen(host, port)
    server = _AnnouncingServer(_uvicorn_config(World(settings), data_file), lambda: announce(settings.base_url))
    server.run(sockets=[listener])


@contextmanager
def running_emulator(
    settings: EmulatorSettings | None = None, host: str = "127.0.0.1", port: int = 0, data_path: str | None = None
) -> Iterator[str]:
    """Serve in a thread as long as the context lasts; its URL. `data_path`: the file of the world."""
    settings = settings or EmulatorSettings()
    listener, settings.base_url = _listen(host, port)
    listening = Event()
    data_file = DataFile(data_path) if data_path else None
    server = _AnnouncingServer(_uvicorn_config(World(settings), data_file), listening.set)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    listening.wait()
    try:
        yield settings.base_url
    finally:
        server.should_exit = True
        thread.join()


def _listen(host: str, port: int) -> tuple[socket.socket, str]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(_BACKLOG)
    return listener, f"http://{_browsable_host(host)}:{listener.getsockname()[1]}"


def _browsable_host(host: str) -> str:
    """What a browser on this machine can call `host`."""
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _uvicorn_config(world: World, data_file: DataFile | None = None) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    application: Any = build_application(world, data_file)
    return uvicorn.Config(
        application,
        http=_FaultableProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_EMULATOR_SHUTDOWN_TIMEOUT_S,
    )

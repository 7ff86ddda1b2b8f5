"""A PostgreSQL for tests.

That of MERCHANTCTL_TEST_PG_DSN, else one of our own, started from the system's binaries as a plain user. Where there is
neither, what needs it is skipped; where CI is set, that is a failure.
"""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, make_url, text


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a database that tests may make schemas in."""
    if dsn := os.environ.get("MERCHANTCTL_TEST_PG_DSN"):
        yield dsn
        return
    binaries = _binaries()
    if binaries is None:
        _missing("no PostgreSQL: neither MERCHANTCTL_TEST_PG_DSN nor initdb of the system")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        yield from _served(binaries, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def empty_schema(server: str) -> Iterator[str]:
    """The URL of a state that nobody has opened yet, in a schema that goes away again, its queue too."""
    pytest.importorskip("psycopg")
    schema = f"t{uuid.uuid4().hex}"
    execute(server, f"CREATE SCHEMA {schema}")
    yield make_url(server).update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(False)
    execute(server, f"DROP SCHEMA {schema} CASCADE; DROP SCHEMA IF EXISTS merchantctl_queue_{schema} CASCADE")


def execute(server: str, statement: str) -> None:
    with _connected(server) as connection:
        connection.execute(text(statement))


def asked(server: str, query: str) -> Any:
    """The one value that a query comes to."""
    with _connected(server) as connection:
        return connection.scalar(text(query))


@contextmanager
def _connected(server: str) -> Iterator[Connection]:
    engine = create_engine(make_url(server).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def _binaries() -> Path | None:
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb")) or [shutil.which("initdb")]
    return Path(found[-1]).parent if found[-1] else None


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _served(binaries: Path, folder: Path) -> Iterator[str]:
    who = _plain_user(folder)
    subprocess.run(
        [binaries / "initdb", "-D", folder / "data", "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C"],
        check=True, capture_output=True, cwd=folder, **who,
    )  # fmt: skip
    server = subprocess.Popen(
        [binaries / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **who,
    )  # fmt: skip
    try:
        _await_server(binaries, folder)
        yield f"postgresql://tester@/postgres?host={folder}"
    finally:
        server.send_signal(signal.SIGINT)  # TERM would wait for everybody who is connected
        server.wait(30)


def _await_server(binaries: Path, folder: Path) -> None:
    for _ in range(300):
        asked = subprocess.run([binaries / "pg_isready", "-q", "-h", folder], check=False)
        if asked.returncode == 0:
            return
        time.sleep(0.1)
    pytest.fail("PostgreSQL does not start")


def _plain_user(folder: Path) -> dict[str, object]:
    """PostgreSQL refuses to run as root: then it runs as somebody else, who owns the folder."""
    if os.getuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

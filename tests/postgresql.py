"""A PostgreSQL for tests.

That of MERCHANTCTL_TEST_PG_DSN, else one of our own, started from the system's binaries as a plain user: one for all
processes of a test run, by the first that needs it. Where there is neither, what needs it is skipped; where CI is set,
that is a failure.
"""

from __future__ import annotations

import fcntl
import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from state.migrations import VERSION_TABLE

FOLDER_OF_THE_RUN = "MERCHANTCTL_TEST_PG_FOLDER"
"""The environment variable by which the processes of a test run find the folder of their server."""


@pytest.fixture(scope="session")
def postgresql() -> str:
    """The URL of a database that tests may make schemas in."""
    if dsn := os.environ.get("MERCHANTCTL_TEST_PG_DSN"):
        return dsn
    binaries = _binaries()
    if binaries is None:
        _missing("no PostgreSQL: neither MERCHANTCTL_TEST_PG_DSN nor initdb of the system")
    folder = Path(os.environ[FOLDER_OF_THE_RUN])
    with (folder / "starting").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not _is_running(folder):
            _start(binaries, folder)
    # Advisory locks are those of a database: each process of the run has one of its own.
    database = f"tests_{os.getpid()}"
    execute(f"postgresql://tester@/postgres?host={folder}", f"CREATE DATABASE {database}")
    return f"postgresql://tester@/{database}?host={folder}"


@contextmanager
def server_of_the_run() -> Iterator[None]:
    """Around a whole test run: a folder for its server, which is stopped at the end if anybody has started it."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    os.environ[FOLDER_OF_THE_RUN] = str(folder)
    try:
        yield
    finally:
        if _is_running(folder):
            _control(_binaries(), folder, "stop", "--mode=fast")
        shutil.rmtree(folder, ignore_errors=True)


class OwnServer:
    """A PostgreSQL of a test that stops it."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self._folder = binaries, folder
        self.url = f"postgresql://tester@/postgres?host={folder}"

    def start(self) -> None:
        _control(self._binaries, self._folder, "start", *_start_options(self._folder))

    def stop_at_once(self) -> None:
        """As when it crashes: nothing is finished, and no client is told."""
        _control(self._binaries, self._folder, "stop", "--mode=immediate")


@contextmanager
def own_server() -> Iterator[OwnServer]:
    binaries = _binaries()
    if binaries is None:
        _missing("no PostgreSQL: no initdb of the system")
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        _start(binaries, folder := Path(name))
        try:
            yield OwnServer(binaries, folder)
        finally:
            if _is_running(folder):
                _control(binaries, folder, "stop", "--mode=fast")


class OwnDatabase:
    """A database of a test that puts it out of reach. `url`: its address."""

    def __init__(self, server: str) -> None:
        self._server, self._name = server, f"own_{uuid.uuid4().hex}"
        execute(server, f"CREATE DATABASE {self._name}")
        self.url = make_url(server).set(database=self._name).render_as_string(hide_password=False)

    @contextmanager
    def out_of_reach(self) -> Iterator[None]:
        """Meanwhile its connections are broken, and nobody can make one."""
        execute(self._server, f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false")
        execute(self._server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._name}'")
        yield
        execute(self._server, f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")

    def drop(self) -> None:
        """It goes, whoever is connected."""
        execute(self._server, f"DROP DATABASE {self._name} WITH (FORCE)")


@pytest.fixture
def own_database(postgresql: str) -> Iterator[OwnDatabase]:
    database = OwnDatabase(postgresql)
    yield database
    database.drop()


@contextmanager
def empty_schema(server: str) -> Iterator[str]:
    """The URL of a state that nobody has opened yet, in a schema that goes away again, its queue too."""
    pytest.importorskip("psycopg")
    schema = f"t{uuid.uuid4().hex}"
    execute(server, f"CREATE SCHEMA {schema}")
    yield _url_of_schema(server, schema)
    execute(server, f"DROP SCHEMA {schema} CASCADE; DROP SCHEMA IF EXISTS merchantctl_queue_{schema} CASCADE")


@contextmanager
def state_without_rows(server: str) -> Iterator[str]:
    """The URL of a state in which nothing stands: whoever opens it first in this process makes its tables, and they are
    emptied for the next. To make them, and to drop them, takes longer than most tests."""
    schema, url = _kept_schema(server)
    yield url
    try:
        tables = query_values(server, f"SELECT tablename FROM pg_tables WHERE schemaname = '{schema}'")
        rows = [f"DELETE FROM {schema}.{table}" for table in tables if table != VERSION_TABLE]
        used = f"FROM pg_sequences WHERE schemaname = '{schema}' AND last_value IS NOT NULL"
        ids = f"SELECT setval(CAST(schemaname || '.' || sequencename AS regclass), 1, false) {used}"
        execute(server, "; ".join(["SET lock_timeout = '10s'", *rows, ids, "RESET lock_timeout"]))
    except BaseException:  # what a test left is not to be met by the next; the schema goes with the server
        _kept_schema.cache_clear()
        raise


@cache
def _kept_schema(server: str) -> tuple[str, str]:
    """Its name, and the URL of a state in it."""
    schema = f"kept{uuid.uuid4().hex}"
    execute(server, f"CREATE SCHEMA {schema}")
    return schema, _url_of_schema(server, schema)


def _url_of_schema(server: str, schema: str) -> str:
    return make_url(server).update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(False)


def execute(server: str, statement: str) -> None:
    with _engine(server).connect() as connection:
        connection.execute(text(statement))


def query_value(server: str, query: str) -> Any:
    """The one value that a query comes to."""
    with _engine(server).connect() as connection:
        return connection.scalar(text(query))


def query_values(server: str, query: str) -> Sequence[Any]:
    """The first column of its rows."""
    with _engine(server).connect() as connection:
        return connection.scalars(text(query)).all()


@cache
def _engine(server: str) -> Engine:
    """Its connection is kept for the next: every test makes a schema, and drops it."""
    url = make_url(server).set(drivername="postgresql+psycopg")
    return create_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)


def _binaries() -> Path | None:
    found = max(glob.glob("/usr/lib/postgresql/*/bin/initdb"), default=None) or shutil.which("initdb")
    return Path(found).parent if found else None


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _is_running(folder: Path) -> bool:
    return (folder / "data" / "postmaster.pid").exists()


def _start(binaries: Path, folder: Path) -> None:
    who = _plain_user(folder)
    subprocess.run(
        [binaries / "initdb", "-D", folder / "data", "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
        check=True, capture_output=True, cwd=folder, **who,
    )  # fmt: skip
    _control(binaries, folder, "start", *_start_options(folder))


def _start_options(folder: Path) -> tuple[str, str]:
    options = f"-k {folder} -c listen_addresses= -c fsync=off -c full_page_writes=off"
    return f"--log={folder / 'data' / 'log'}", f"--options={options}"


def _control(binaries: Path | None, folder: Path, *words: str) -> None:
    """Starts or stops the server, and waits until that is done."""
    assert binaries
    command = [str(binaries / "pg_ctl"), "--wait", "--silent", f"--pgdata={folder / 'data'}", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **_plain_user(folder))


def _plain_user(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then it runs as somebody else, who owns the folder."""
    if os.getuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

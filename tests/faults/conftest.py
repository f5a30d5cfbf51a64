"""The databases, the brokers, and the figures of the loops."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.faults.broker_servers import Broker, RabbitMQ, Redis
from tests.faults.database_servers import DatabaseServer, MariaDB, PostgreSQL
from tests.faults.databases import Database, ServerDatabase, SQLite
from tests.faults.deliveries import Delivery
from tests.faults.loops import FIGURES, HEADINGS
from tests.faults.nursery import Nursery
from tests.faults.parts import part_of
from tests.faults.processes import ServerMissing
from tests.faults.servers import Server

HERE = Path(__file__).resolve().parent
ServerT = TypeVar("ServerT", bound=Server)
# Which part of the tests this run takes, and of how many: "2/3".
PART, PARTS = (int(number) for number in os.environ.get("FAULTS_PART", "1/1").split("/"))
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.fixture(scope="session", autouse=True)
def _cleaned_up_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does, so that the servers go too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> SQLite:
    database = SQLite(tmp_path_factory.mktemp("sqlite") / "migrated.sqlite3")
    database.migrate()
    return database


@pytest.fixture
def sqlite(migrated_file: SQLite, tmp_path: Path) -> SQLite:
    """Return a database in a file of its own."""
    return migrated_file.copy(tmp_path / "faults.sqlite3")


@pytest.fixture(scope="session")
def migrated_postgresql() -> Iterator[ServerDatabase]:
    yield from migrated(PostgreSQL)


@pytest.fixture(scope="session")
def migrated_mariadb() -> Iterator[ServerDatabase]:
    yield from migrated(MariaDB)


@pytest.fixture
def postgresql(migrated_postgresql: ServerDatabase) -> ServerDatabase:
    """Return the empty database of a private PostgreSQL, which a test may stop and kill."""
    return emptied(migrated_postgresql)


@pytest.fixture
def mariadb(migrated_mariadb: ServerDatabase) -> ServerDatabase:
    """Return the empty database of a private MariaDB, which a test may stop and kill."""
    return emptied(migrated_mariadb)


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Database:
    """Return an empty database, of each kind in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["postgresql", "mariadb"])
def server_database(request: pytest.FixtureRequest) -> ServerDatabase:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[Redis]:
    with entered(Redis()) as server:
        yield server


@pytest.fixture(scope="session")
def shared_rabbitmq() -> Iterator[RabbitMQ]:
    with entered(RabbitMQ()) as server:
        yield server


@pytest.fixture
def redis(shared_redis: Redis) -> Redis:
    """Return a private Redis, which a test may stop and kill."""
    return running(shared_redis)


@pytest.fixture
def rabbitmq(shared_rabbitmq: RabbitMQ) -> RabbitMQ:
    """Return a private RabbitMQ, which a test may stop and kill."""
    return running(shared_rabbitmq)


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> Broker:
    return request.getfixturevalue(request.param)


@pytest.fixture
def private() -> Iterator[Callable[[Any], Any]]:
    """Return a function that starts a server for one test alone, and returns it."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(entered(server))


@pytest.fixture
def private_database(private: Callable[[Any], Any]) -> Callable[[DatabaseServer], ServerDatabase]:
    """Return a function that starts a database server for one test alone, and returns its database."""

    def start(server: DatabaseServer) -> ServerDatabase:
        database = ServerDatabase(private(server))
        database.migrate()
        return database

    return start


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def delivery(database: Database, delivery_on: Callable[..., Delivery]) -> Delivery:
    """Return the delivery of an empty database, of each kind in turn, to one handler that writes rows."""
    return delivery_on(database)


@pytest.fixture
def delivery_on(nursery: Nursery, tmp_path: Path) -> Iterator[Callable[..., Delivery]]:
    """Return a function that makes a delivery on a database; what it has started is killed at the end."""
    made: list[Delivery] = []

    def make(database: Database, *handlers: Mapping[str, Any], **settings: Any) -> Delivery:
        made.append(Delivery(nursery, database, tmp_path, handlers or [{"name": "ledger"}], settings))
        return made[-1]

    yield make
    for delivery in made:
        delivery.close()


def migrated(kind: type[DatabaseServer]) -> Iterator[ServerDatabase]:
    with entered(kind()) as server:
        database = ServerDatabase(server)
        database.migrate()
        yield database


@contextmanager
def entered(server: ServerT, *, strict: bool = IN_CI) -> Iterator[ServerT]:
    """Start a server for the block; one that is not installed leaves its tests out, or fails them where ``strict``."""
    with ExitStack() as stack:
        try:
            stack.enter_context(server)
        except ServerMissing as reason:
            if strict:
                pytest.fail(f"{reason} (CI=true allows nothing to be left out)")
            pytest.skip(str(reason))
        yield server


def emptied(database: ServerDatabase) -> ServerDatabase:
    running(database.server)
    database.empty()
    return database


def running(server: ServerT) -> ServerT:
    if not server.is_running:
        # The test before failed while it was down.
        server.start()
    return server


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take this run's part of the tests."""
    here = {item.nodeid for item in items if item.path.is_relative_to(HERE)}
    if left_out := here - part_of(here, PART, PARTS):
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left_out])
        items[:] = [item for item in items if item.nodeid not in left_out]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if FIGURES:
        terminalreporter.section("loops of faults")
        widths = [max(len(str(row[column])) for row in (HEADINGS, *FIGURES)) for column in range(len(HEADINGS))]
        for row in (HEADINGS, *FIGURES):
            cells = [str(cell).rjust(width) for cell, width in zip(row, widths, strict=True)]
            terminalreporter.write_line("  ".join([str(row[0]).ljust(widths[0]), *cells[1:]]))

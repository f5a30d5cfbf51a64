"""The private servers: they run without rights, take what is done to them, and leave nothing behind."""

import select
import socket
from pathlib import Path

import amqp
import pytest

from tests.faults.broker_servers import RabbitMQ, Redis
from tests.faults.conftest import entered
from tests.faults.database_servers import MariaDB, PostgreSQL
from tests.faults.processes import find_program, process_table

pytestmark = pytest.mark.faults

KINDS = [PostgreSQL, MariaDB, Redis, RabbitMQ]


class Absent(Redis):
    """A server whose program is nowhere."""

    def _command(self):
        return [find_program("a-server-that-nobody-has", self.title)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_runs_without_rights_and_leaves_no_process_and_no_file(kind):
    with entered(kind()) as server:
        pids = server.pids
        assert pids
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in pids}
        assert owners.isdisjoint({0})
        assert server.folder.exists()
    assert process_table().keys().isdisjoint(pids)
    assert not server.folder.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_leaves_nothing_behind_where_its_block_ends_by_an_interrupt(kind):
    pids = []
    with pytest.raises(KeyboardInterrupt), entered(kind()) as server:
        pids += server.pids
        raise KeyboardInterrupt
    assert pids
    assert process_table().keys().isdisjoint(pids)
    assert not server.folder.exists()


@pytest.mark.parametrize(("strict", "outcome"), [(False, pytest.skip.Exception), (True, pytest.fail.Exception)])
def test_a_server_that_is_not_installed_leaves_its_tests_out_and_fails_where_nothing_may_be(strict, outcome):
    with pytest.raises(outcome, match="Redis is not installed: there is no a-server-that-nobody-has"):
        with entered(Absent(), strict=strict):
            pass


def test_redis_keeps_what_it_took_over_kill_and_stop(redis):
    for killed in (True, False):
        assert redis.command(f"SET kept {killed}") == "+OK"
        redis.restart(killed=killed)
        assert redis.command("STRLEN kept") == f":{len(str(killed))}"


def test_rabbitmq_keeps_what_it_confirmed_over_kill_and_stop(rabbitmq):
    def channel():
        return amqp.Connection(f"127.0.0.1:{rabbitmq.port}", confirm_publish=True)

    for killed in (True, False):
        with channel() as connection:
            connection.channel().queue_declare("kept", durable=True, auto_delete=False)
            message = amqp.Message(str(killed), delivery_mode=2)
            connection.channel().basic_publish(message, routing_key="kept")
        rabbitmq.restart(killed=killed)
        with channel() as connection:
            assert connection.channel().basic_get("kept", no_ack=True).body == str(killed)


def test_redis_cuts_its_clients(redis):
    with socket.create_connection(("127.0.0.1", redis.port), timeout=30) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(100) == b"+PONG\r\n"
        assert redis.terminate_clients() == 1
        assert client.recv(100) == b""


def test_rabbitmq_cuts_its_clients(rabbitmq):
    with amqp.Connection(f"127.0.0.1:{rabbitmq.port}") as client:
        assert rabbitmq.terminate_clients() == 1
        with pytest.raises(amqp.exceptions.ConnectionForced):
            client.drain_events(timeout=30)


@pytest.mark.parametrize("kind", [Redis, RabbitMQ])
def test_a_frozen_broker_takes_connections_and_answers_when_it_thaws(private, kind):
    server = private(kind())
    greeting = b"PING\r\n" if kind is Redis else b"AMQP\x00\x00\x09\x01"
    server.freeze()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
            client.sendall(greeting)
            assert select.select([client], [], [], 0.5)[0] == []
            server.thaw()
            assert client.recv(100)
    finally:
        server.thaw()

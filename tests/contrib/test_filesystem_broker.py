import base64
import json
import os
import threading
import time
from pathlib import Path
from urllib.parse import unquote

import pytest
import time_machine
from hypothesis import example, given
from hypothesis import strategies as st
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError

from django_clean_timestamps.contrib.filesystem_broker import broker_url
from django_clean_timestamps.contrib.filesystem_broker.files import queue_folder
from django_clean_timestamps.contrib.filesystem_broker.folders import Folders
from tests.contrib.broker import HOUR, connected, files, receive, send, waiting
from tests.contrib.broker_processes import SECONDS, finish, running

# No database takes part, so one of three runs is enough.
pytestmark = pytest.mark.sqlite


class TestTheScheme:
    def test_a_settings_file_may_import_it(self):
        code = """if True:
            import sys
            from django_clean_timestamps.contrib.filesystem_broker import broker_url
            assert not {"django.conf", "django.db", "kombu.transport.virtual"} & set(sys.modules)
            from kombu import Connection
            print(Connection(broker_url("/tmp")).transport_cls)
        """
        environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        with running("-c", code, env=environment) as process:
            assert finish(process) == ["atomicfs"]

    @pytest.mark.parametrize("name", ["plain", "with space", "100%", "a;b?c#d", "größe", "a+b@c:d"])
    def test_the_url_leads_to_the_folder_whatever_its_name(self, tmp_path, name):
        with connected(tmp_path / name) as connection:
            send(connection.default_channel, 1)
        assert len(waiting(tmp_path / name / "messages")) == 1

    def test_a_relative_folder_is_refused(self):
        with pytest.raises(ValueError, match="must be absolute"):
            broker_url("broker")

    def test_a_url_without_its_third_slash_is_refused(self):
        with pytest.raises(ValueError, match="after three slashes"):
            Connection("atomicfs://var/broker").connect()


class TestFolders:
    def of(self, path=None, **options):
        return Folders.of(options, host=None, path=path)

    def test_a_url_names_one_folder_for_everything(self):
        folders = self.of("var/broker", store_processed=True)
        root = Path("/var/broker")
        assert folders == Folders(
            data_in=root / "messages",
            data_out=root / "messages",
            control=root / "control",
            processed=root / "processed",
        )

    def test_options_come_before_the_url(self):
        folders = self.of("var/broker", data_folder_in="/in", data_folder_out="/out", control_folder="/control")
        assert (folders.data_in, folders.data_out, folders.control) == (Path("/in"), Path("/out"), Path("/control"))

    @pytest.mark.parametrize("path", [None, "", "/"])
    def test_without_either_they_are_those_of_kombus_own_transport(self, path):
        assert self.of(path, store_processed=True) == Folders(
            data_in=Path("data_in").absolute(),
            data_out=Path("data_out").absolute(),
            control=Path("control").absolute(),
            processed=Path("processed").absolute(),
        )

    def test_what_one_writes_another_reads(self, tmp_path):
        here = {"data_folder_in": str(tmp_path / "a"), "data_folder_out": str(tmp_path / "b")}
        there = {"data_folder_in": str(tmp_path / "b"), "data_folder_out": str(tmp_path / "a")}
        control = {"control_folder": str(tmp_path / "control")}
        with (
            Connection("atomicfs://", transport_options=here | control) as one,
            Connection("atomicfs://", transport_options=there | control) as other,
        ):
            send(one.default_channel, "from one")
            send(other.default_channel, "from other")
            assert receive(one.default_channel) == ["from other"]
            assert receive(other.default_channel) == ["from one"]

    @pytest.mark.parametrize("option", ["data_folder_in", "data_folder_out", "control_folder", "processed_folder"])
    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path, folder, option):
        in_the_way = tmp_path / "file"
        in_the_way.touch()
        options = {option: str(in_the_way / "below"), "store_processed": True}
        with connected(folder, **options) as connection:
            with pytest.raises(OperationalError, match=f"{in_the_way}/below cannot be made: Not a directory"):
                connection.ensure_connection(max_retries=1, interval_start=0)


class TestQueues:
    def test_a_message_waits_as_one_file_and_nothing_is_left_of_its_writing(self, channel, messages):
        send(channel, {"a": 1})
        assert [path.suffix for path in waiting(messages)] == [".msg"]
        assert len(files(messages)) == 1

    def test_messages_come_in_the_order_of_their_publishing(self, channel):
        send(channel, *range(50))
        assert receive(channel) == list(range(50))

    def test_messages_keep_their_order_when_the_clock_is_set_back(self, channel):
        send(channel, 1)
        with time_machine.travel(time.time() - HOUR):
            send(channel, 2, 3)
        assert receive(channel) == [1, 2, 3]

    def test_what_comes_while_a_queue_is_read_comes_too(self, channel):
        send(channel, 1, 2)
        first = channel.basic_get("work")
        send(channel, 3)
        assert [first.payload, *receive(channel)] == [1, 2, 3]

    def test_two_consumers_share_a_queue(self, folder, channel):
        send(channel, *range(6))
        with connected(folder) as connection:
            other = connection.default_channel
            got = [each.basic_get("work").payload for each in (channel, other, channel, other, channel, other)]
            assert got == list(range(6))
            assert channel.basic_get("work") is None
            assert other.basic_get("work") is None

    def test_an_empty_queue_has_no_message(self, channel):
        assert channel.basic_get("work") is None

    def test_size_and_purge(self, channel):
        send(channel, 1, 2, 3)
        channel.basic_get("work")
        assert channel.queue_declare("work").message_count == 2
        assert channel.queue_purge("work") == 2
        assert channel.queue_declare("work").message_count == 0

    def test_a_purge_leaves_what_is_no_file(self, channel, messages):
        send(channel, 1)
        (messages / "work.queue" / "folder").mkdir()
        assert channel.queue_purge("work") == 1
        assert [path.name for path in waiting(messages)] == ["folder"]

    def test_a_queue_is_deleted_with_its_messages_and_bindings(self, folder, channel, messages):
        channel.exchange_declare("news", "fanout")
        for queue in ("a", "x.a"):
            channel.queue_bind(queue, "news")
        send(channel, 1, exchange="news")
        channel.queue_delete("a")
        assert {path.name for path in messages.iterdir()} == {".writing", "x.a.queue"}
        assert [binding.queue for binding in channel.get_table("news")] == ["x.a"]

    def test_a_queue_that_is_not_empty_is_not_deleted_where_that_is_asked(self, channel):
        send(channel, 1)
        channel.queue_delete("work", if_empty=True)
        assert receive(channel) == [1]
        channel.queue_delete("work", if_empty=True)
        assert receive(channel) == []

    @example("")
    @example(".")
    @example("..")
    @example("../other")
    @example(".taken")
    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
    def test_every_queue_has_a_folder_of_its_own(self, queue):
        name = queue_folder(queue)
        assert os.path.normpath(f"/data/{name}") == f"/data/{name}"
        assert unquote(name.removesuffix(".queue")) == queue
        assert name not in {".taken", ".writing", ".rejected"}

    @pytest.mark.parametrize("queue", ["", ".", "..", "a/b", "größe", "celery@host.celery.pidbox", "*", "[a]"])
    def test_a_queue_may_have_any_name(self, channel, queue):
        channel.exchange_declare("news", "fanout")
        channel.queue_bind(queue, "news")
        send(channel, 1, queue=queue)
        send(channel, 2, exchange="news")
        assert receive(channel, queue) == [1, 2]
        channel.queue_delete(queue)
        assert channel.get_table("news") == []


class TestAcknowledging:
    def test_a_message_is_kept_until_it_is_acknowledged(self, channel, messages):
        send(channel, 1)
        message = channel.basic_get("work")
        assert waiting(messages) == []
        assert len(files(messages)) == 1
        message.ack()
        assert files(messages) == []

    def test_what_nobody_acknowledges_is_gone_when_it_is_taken(self, channel, messages):
        send(channel, 1, 2)
        assert channel.basic_get("work", no_ack=True).payload == 1
        left = []
        with channel.Consumer([Queue("work")], no_ack=True, on_message=lambda message: left.append(files(messages))):
            channel.connection.drain_events(channel.connection, timeout=SECONDS)
        assert left == [[]]

    def test_a_queue_can_be_read_with_and_without_acknowledging(self, channel, messages):
        send(channel, 1, 2)
        for no_ack in (True, False):
            with channel.Consumer([Queue("work")], no_ack=no_ack, on_message=lambda message: None):
                channel.connection.drain_events(channel.connection, timeout=SECONDS)
        assert len(files(messages)) == 1

    def test_closing_gives_back_what_is_not_acknowledged_at_its_place(self, folder, channel):
        send(channel, 1, 2, 3)
        with connected(folder) as connection:
            first, second = (connection.default_channel.basic_get("work") for _ in range(2))
            second.ack()
        again, third = channel.basic_get("work"), channel.basic_get("work")
        assert (again.payload, third.payload) == (1, 3)
        assert again.delivery_info["redelivered"] is True
        assert "redelivered" not in third.delivery_info
        # Too late: it is another's by now.
        first.ack()
        again.ack()

    def test_a_rejected_message_is_gone(self, channel, messages):
        send(channel, 1)
        channel.basic_get("work").reject()
        assert files(messages) == []

    def test_a_requeued_message_comes_again_as_often_as_one_likes(self, channel, messages):
        send(channel, 1, 2)
        for _ in range(3):
            channel.basic_get("work").requeue()
        assert receive(channel) == [1, 2]
        assert files(messages) == []

    @pytest.mark.parametrize("settle", ["ack", "reject"])
    def test_processed_messages_are_kept_where_that_is_asked(self, folder, tmp_path, settle):
        with connected(folder, store_processed=True, processed_folder=str(tmp_path / "kept")) as connection:
            send(connection.default_channel, ["body"])
            getattr(connection.default_channel.basic_get("work"), settle)()
        (kept,) = (tmp_path / "kept").iterdir()
        assert json.loads(base64.b64decode(json.loads(kept.read_bytes())["body"])) == ["body"]
        assert files(folder / "messages") == []

    def test_what_another_thread_acknowledges_lets_the_next_message_come_at_once(self, folder):
        with connected(folder, polling_interval=HOUR) as connection:
            channel = connection.default_channel
            send(channel, 1, 2, 3)
            channel.basic_qos(0, 1, False)
            got = []
            with channel.Consumer([Queue("work")], on_message=got.append):
                connection.drain_events(timeout=SECONDS)
                got[0].ack()
                connection.drain_events(timeout=SECONDS)
                with pytest.raises(TimeoutError):
                    connection.drain_events(timeout=0.01)
                acknowledging = threading.Timer(0.1, got[1].ack)
                acknowledging.start()
                connection.drain_events(timeout=SECONDS)
                acknowledging.join()
            assert [message.payload for message in got] == [1, 2, 3]

    def test_without_an_interval_a_full_consumer_does_not_wait(self, channel):
        send(channel, 1)
        channel.connection.polling_interval = None
        channel.basic_qos(0, 1, False)
        with channel.Consumer([Queue("work")], on_message=lambda message: None):
            channel.connection.drain_events(channel.connection, timeout=SECONDS)
            with pytest.raises(TimeoutError):
                channel.connection.drain_events(channel.connection, timeout=0.01)


class TestExchanges:
    @pytest.fixture
    def publisher(self, folder):
        """A channel of another connection."""
        with connected(folder) as connection:
            yield connection.default_channel

    @pytest.mark.parametrize(
        ("kind", "key", "sent", "arrives"),
        [
            ("direct", "a.b", "a.b", True),
            ("direct", "a.b", "a.c", False),
            ("topic", "a.*", "a.c", True),
            ("topic", "a.*", "b.c", False),
            ("topic", "a.#", "a.c.d", True),
            ("fanout", "", "whatever", True),
        ],
    )
    def test_an_exchange_routes_by_its_type(self, channel, publisher, kind, key, sent, arrives):
        exchange = Exchange("news", kind)
        queue = Queue("work", exchange, routing_key=key)
        queue(channel).declare()
        publisher.Producer().publish(1, exchange=exchange, routing_key=sent, declare=[exchange])
        assert receive(channel) == [1] * arrives

    def test_each_queue_of_a_fanout_gets_the_message(self, channel, publisher):
        exchange = Exchange("news", "fanout")
        for name in ("a", "b", "c"):
            Queue(name, exchange)(channel).declare()
        publisher.Producer().publish(1, exchange=exchange, declare=[exchange])
        assert [receive(channel, name) for name in ("a", "b", "c")] == [[1], [1], [1]]

    def test_a_binding_counts_once_however_often_it_is_made(self, channel, publisher):
        for each in (channel, channel, publisher):
            each.exchange_declare("news", "fanout")
            each.queue_bind("work", "news")
        send(publisher, 1, exchange="news")
        assert receive(channel) == [1]
        assert list(channel.list_bindings()) == [("work", "news", "")]

    def test_an_unbound_queue_gets_nothing_more(self, channel, publisher):
        for key in ("a", "b"):
            channel.queue_bind("work", routing_key=key)
        channel.queue_unbind("work", routing_key="a")
        for key in ("a", "b"):
            publisher.Producer().publish(key, exchange="amq.direct", routing_key=key)
        assert receive(channel) == ["b"]

    def test_a_deleted_exchange_leads_nowhere_and_its_queues_stay(self, channel, publisher):
        channel.exchange_declare("news", "fanout")
        channel.queue_bind("work", "news")
        send(publisher, 1, exchange="news")
        channel.exchange_delete("news")
        send(publisher, 2, exchange="news")
        assert receive(channel) == [1]

    def test_folders_of_one_process_do_not_know_each_others_bindings(self, tmp_path):
        exchange = Exchange("news", "fanout")
        for name in ("a", "b"):
            with connected(tmp_path / name) as connection:
                channel = connection.default_channel
                Queue("work", exchange)(channel).declare()
                channel.Producer().publish(name, exchange=exchange)
                assert receive(channel) == [name]

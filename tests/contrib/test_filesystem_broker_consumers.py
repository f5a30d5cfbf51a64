"""What becomes of a consumer's messages and queues when it ends, however it ends."""

import os
import shutil
import time

import pytest
from kombu import Exchange, Queue

from django_clean_timestamps.contrib.filesystem_broker import files as files_module
from tests.contrib.broker import HOUR, connected, files, receive, send, waiting
from tests.contrib.broker_processes import SECONDS, finish, program

# No database takes part, so one of three runs is enough.
pytestmark = pytest.mark.sqlite


class TestQueuesThatGoWithTheirConsumers:
    def queue(self, **options):
        return Queue(**{"name": "news.here", "exchange": Exchange("news", "fanout"), "auto_delete": True, **options})

    def exists(self, channel, messages):
        return (messages / "news.here.queue").exists() or bool(channel.get_table("news"))

    @pytest.mark.parametrize("options", [{"auto_delete": True}, {"auto_delete": False, "exclusive": True}])
    def test_it_goes_with_its_last_consumer(self, folder, channel, messages, options):
        with connected(folder) as connection:
            with channel.Consumer([self.queue(**options)], on_message=print):
                with connection.default_channel.Consumer([self.queue(**options)], on_message=print):
                    pass
                send(channel, 1, exchange="news")
                assert self.exists(channel, messages)
        assert not self.exists(channel, messages)

    def test_what_it_holds_goes_too_also_what_was_taken(self, folder, channel, messages):
        with connected(folder) as connection:
            consumer = connection.default_channel.Consumer([self.queue()], on_message=lambda message: None)
            consumer.consume()
            for body in range(2):
                send(channel, body, exchange="news")
            connection.drain_events(timeout=SECONDS)
        assert not self.exists(channel, messages)

    def test_it_stays_while_another_process_consumes_from_it(self, folder, channel, messages):
        with program("hold", folder, "work", 1) as process:
            while not channel.get_table("news"):
                time.sleep(0.01)
            with channel.Consumer([self.queue(name="work.temporary")], on_message=print):
                pass
            Exchange("news", "fanout")(channel).declare()
            send(channel, 1, exchange="news")
            assert process.stdout.readline() == "holding\n"

    def test_it_stays_while_it_had_no_consumer(self, folder, channel):
        with connected(folder) as connection:
            self.queue()(connection.default_channel).declare()
            send(connection.default_channel, 1, exchange="news")
        assert receive(channel, "news.here") == [1]

    def test_another_queue_stays(self, folder, channel, messages):
        with connected(folder) as connection, connection.default_channel.Consumer([Queue("work")], on_message=print):
            send(channel, 1)
        assert receive(channel) == [1]


class TestConsumersThatEnd:
    @pytest.fixture
    def holder(self, folder, channel):
        """A process that has taken two messages of a queue and one of a queue that goes with its consumers."""
        send(channel, 1, 2)
        with program("hold", folder, "work", 3) as process:
            while not channel.get_table("news"):
                time.sleep(0.01)
            Exchange("news", "fanout")(channel).declare()
            send(channel, 3, exchange="news")
            assert process.stdout.readline() == "holding\n"
            yield process

    def look(self, channel):
        """Look once for messages and for consumers that are dead."""
        got = []
        with channel.Consumer([Queue("work")], on_message=got.append):
            for _ in range(3):
                try:
                    channel.connection.drain_events(channel.connection, timeout=0.01)
                except TimeoutError:
                    break
        return got

    def test_a_living_consumer_keeps_what_it_has_taken(self, channel, messages, holder):
        assert self.look(channel) == []
        assert len(files(messages / ".taken")) == 4

    def test_what_a_killed_one_has_taken_comes_to_others(self, channel, messages, holder):
        holder.kill()
        holder.wait()
        got = self.look(channel)
        assert [message.payload for message in got] == [1, 2]
        assert all(message.delivery_info["redelivered"] for message in got)

    def test_a_queue_that_goes_with_its_consumers_goes_with_a_killed_one(self, channel, messages, holder):
        holder.kill()
        holder.wait()
        self.look(channel)
        assert not (messages / "work.temporary.queue").exists()
        assert channel.get_table("news") == []

    def test_the_successor_of_a_killed_one_gets_no_old_messages(self, channel, messages, holder):
        holder.kill()
        holder.wait()
        queue = Queue("work.temporary", Exchange("news", "fanout"), auto_delete=True)
        send(channel, "old", exchange="news")
        got = []
        with channel.Consumer([queue], on_message=got.append):
            send(channel, "new", exchange="news")
            channel.connection.drain_events(channel.connection, timeout=SECONDS)
            self.look(channel)
        assert [message.payload for message in got] == ["new"]

    def test_a_queue_that_others_consume_from_stays_when_one_is_killed(self, channel, messages, holder):
        queue = Queue("work.temporary", Exchange("news", "fanout"), auto_delete=True)
        got = []
        with channel.Consumer([queue], on_message=got.append):
            holder.kill()
            holder.wait()
            self.look(channel)
            send(channel, 4, exchange="news")
            while len(got) < 2:
                channel.connection.drain_events(channel.connection, timeout=SECONDS)
        assert [message.payload for message in got] == [3, 4]

    def test_a_home_without_its_lock_is_a_dead_ones(self, channel, messages):
        send(channel, 1)
        (message,) = waiting(messages)
        home = messages / ".taken" / "half-cleared" / "work.queue"
        home.mkdir(parents=True)
        message.rename(home / message.name)
        assert [message.payload for message in self.look(channel)] == [1]
        assert not home.parent.exists()

    def test_what_else_lies_among_the_homes_is_left_alone(self, channel, messages):
        (messages / ".taken").mkdir()
        (messages / ".taken" / "file").touch()
        send(channel, 1)
        assert [message.payload for message in self.look(channel)] == [1]
        assert (messages / ".taken" / "file").exists()

    def test_a_child_that_closes_what_it_inherited_settles_and_deletes_nothing(self, folder):
        with program("fork", folder, "work") as process:
            assert finish(process) == ["2 1"]

    def test_a_child_gives_back_what_its_killed_parent_had_taken(self, folder, channel):
        send(channel, 1)
        with program("leave_a_child", folder, "work") as process:
            assert process.stdout.readline() == "holding\n"
            process.kill()
            assert process.stdout.readline() == "True\n"

    def test_half_written_files_are_swept_after_an_hour(self, folder, channel):
        long_ago = time.time() - 2 * HOUR
        for root in (folder / "messages", folder / "control"):
            writing = root / ".writing"
            (writing / "old-home").mkdir(parents=True)
            for name in ("old", "old-home/.lock", "new"):
                (writing / name).touch()
            for name in ("old", "old-home"):
                os.utime(writing / name, (long_ago, long_ago))
        self.look(channel)
        assert [path.name for path in folder.glob("*/.writing/*")] == ["new", "new"]

    def test_the_folders_may_be_deleted_while_a_consumer_runs(self, folder, channel):
        send(channel, 1)
        held = channel.basic_get("work")
        shutil.rmtree(folder)
        send(channel, 2)
        assert receive(channel) == [2]
        # What it takes from now on is its own again, and the living one's.
        assert len(list(folder.glob("messages/.taken/*/.lock"))) == 1
        held.requeue()
        assert receive(channel) == []

    def test_how_often_it_looks_for_dead_ones_is_an_option(self, folder, channel, messages, holder):
        with connected(folder, recovery_interval=HOUR) as connection:
            busy = connection.default_channel
            assert self.look(busy) == []
            holder.kill()
            holder.wait()
            assert self.look(busy) == []
        assert len(self.look(channel)) == 2


def test_an_earlier_message_that_a_listing_has_missed_is_found_before_the_later_one(monkeypatch, tmp_path):
    listings = [["2"], ["1", "2", "3"]]
    monkeypatch.setattr(files_module, "listed", lambda folder: listings.pop(0))
    # What is newer than the first listing waits for the next one, which finds all that came before it.
    assert files_module.listed_without_gaps(tmp_path) == ["1", "2"]


def test_an_empty_folder_is_read_once(monkeypatch, tmp_path):
    listings = [[]]
    monkeypatch.setattr(files_module, "listed", lambda folder: listings.pop(0))
    assert files_module.listed_without_gaps(tmp_path) == []

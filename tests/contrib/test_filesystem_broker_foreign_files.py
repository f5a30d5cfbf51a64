"""What lies in the broker's folders and is not the broker's, or not this user's."""

import json
import logging
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kombu import Queue
from kombu.exceptions import ChannelError

from tests.contrib.broker import connected, files, receive, send, waiting

# No database takes part, so one of three runs is enough.
pytestmark = pytest.mark.sqlite


def message_with(**changes):
    return json.dumps({"body": "", "properties": {"delivery_info": {}}, "headers": {}} | changes).encode()


NO_MESSAGES = {
    "empty": b"",
    "truncated": message_with()[:-10],
    "binary": b"\xff\x00\xfe",
    "text": b"Hello.",
    "list": b"[]",
    "null": b"null",
    "object": b"{}",
    "properties": message_with(properties=None),
    "nested": b"[" * 100_000,
    "body": message_with(body="x", properties={"body_encoding": "base64"}),
    "encoding": message_with(body="x", properties={"body_encoding": "no such"}),
    "decimal": message_with(body={"__type__": "decimal", "__value__": "no number"}),
}


class TestForeignFiles:
    def put(self, messages, name="0-foreign"):
        (messages / "work.queue").mkdir(parents=True, exist_ok=True)
        return messages / "work.queue" / name

    def check(self, channel, messages, caplog, name="0-foreign"):
        """See the messages behind the foreign file come, and the file lie with the rejected ones, said once."""
        send(channel, 1, 2)
        assert receive(channel) == [1, 2]
        assert receive(channel) == []
        assert waiting(messages) == []
        (rejected,) = (messages / ".rejected").glob("*/*")
        assert rejected.name == name
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert str(rejected) in record.getMessage()
        return rejected

    @pytest.mark.parametrize("content", NO_MESSAGES.values(), ids=NO_MESSAGES)
    def test_what_is_no_message_is_put_aside(self, channel, messages, caplog, content):
        self.put(messages).write_bytes(content)
        assert self.check(channel, messages, caplog).read_bytes() == content

    def test_a_folder_is_put_aside(self, channel, messages, caplog):
        (self.put(messages) / "below").mkdir(parents=True)
        assert (self.check(channel, messages, caplog) / "below").is_dir()

    def test_a_pipe_is_put_aside(self, channel, messages, caplog):
        os.mkfifo(self.put(messages))
        assert stat.S_ISFIFO(self.check(channel, messages, caplog).stat().st_mode)

    def test_a_link_is_put_aside(self, channel, messages, caplog):
        (messages / "elsewhere").write_bytes(message_with())
        self.put(messages).symlink_to(messages / "elsewhere")
        assert self.check(channel, messages, caplog).is_symlink()

    def test_a_long_name_is_no_hindrance(self, channel, messages, caplog):
        name = f"0{'x' * 250}.msg"
        self.put(messages, name).touch()
        self.check(channel, messages, caplog, name)

    def test_files_of_one_name_are_all_kept(self, channel, messages):
        for content in ("one", "two"):
            self.put(messages).write_text(content)
            assert channel.basic_get("work") is None
        assert {path.read_text() for path in (messages / ".rejected").glob("*/*")} == {"one", "two"}

    def test_other_files_and_folders_are_left_alone(self, channel, messages):
        self.put(messages, ".gitkeep").touch()
        for path in (messages / "README", messages / "folder" / "file"):
            path.parent.mkdir(exist_ok=True)
            path.write_text("mine")
        send(channel, 1)
        assert receive(channel) == [1]
        assert files(messages) == ["README", "folder/file", "work.queue/.gitkeep"]

    def test_a_message_that_vanishes_while_it_is_taken_is_passed_over(self, channel, messages, caplog, monkeypatch):
        send(channel, 1, 2)
        read_bytes = Path.read_bytes
        vanished = []

        def read_late(path):
            if not vanished:
                vanished.append(path)
                path.unlink()
            return read_bytes(path)

        monkeypatch.setattr(Path, "read_bytes", read_late)
        assert receive(channel) == [2]
        assert caplog.records == []

    def test_a_queue_whose_folder_is_a_file_is_an_error_with_a_name(self, channel, messages):
        messages.joinpath("work.queue").touch()
        with pytest.raises(ChannelError, match="queue work cannot be read"):
            channel.basic_get("work")
        with pytest.raises(ChannelError, match="No message can be written to the queue work"):
            channel.Producer().publish(1, exchange="", routing_key="work")
        assert list((messages / ".writing").iterdir()) == []

    def test_a_file_where_the_taken_ones_go_is_an_error_with_a_name(self, channel, messages):
        messages.joinpath(".taken").touch()
        send(channel, 1)
        with pytest.raises(ChannelError, match=f"Nothing can be taken from the broker's folder {messages}"):
            channel.basic_get("work")

    @pytest.mark.parametrize(
        "content", [b"", b"[]", b'["a", null]', b'[["a"], null, "b"]', b"[1, 2, 3]", b"[" * 100_000]
    )
    def test_what_is_no_binding_binds_nothing(self, folder, channel, content):
        channel.exchange_declare("news", "topic")
        channel.queue_bind("work", "news", "#")
        (folder / "control" / "news.exchange" / "foreign").write_bytes(content)
        send(channel, 1, exchange="news")
        assert receive(channel) == [1]

    def test_a_binding_that_cannot_be_written_is_an_error_with_a_name(self, folder, channel):
        (folder / "control" / "news.exchange").touch()
        with pytest.raises(ChannelError, match="The queue work cannot be bound to the exchange news"):
            channel.queue_bind("work", "news")


@pytest.fixture
def open_folder():
    """A folder that every user can write in; what pytest gives to root, others cannot even enter."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


@contextmanager
def as_another_user() -> Iterator[None]:
    """Lay down root's rights, where the tests have them."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


class TestOtherUsersFiles:
    def test_an_unreadable_file_is_put_aside(self, open_folder, caplog):
        queue = open_folder / "messages" / "work.queue"
        with as_another_user(), connected(open_folder) as connection:
            send(connection.default_channel, 1)
            queue.chmod(0o777)
        (queue / "0-foreign").touch(mode=0)
        with as_another_user(), connected(open_folder) as connection:
            assert receive(connection.default_channel) == [1]
        (rejected,) = (open_folder / "messages" / ".rejected").glob("*/*")
        assert rejected.name == "0-foreign"
        assert "PermissionError" in caplog.text

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can lay down a file that is another's")
    def test_a_file_that_cannot_be_moved_is_said_once_and_passed_over(self, open_folder, caplog):
        queue = open_folder / "messages" / "work.queue"
        queue.mkdir(parents=True)
        (queue / "0-foreign").touch()
        queue.chmod(0o1777)
        queue.parent.chmod(0o777)
        with as_another_user(), connected(open_folder) as connection:
            for body in range(3):
                send(connection.default_channel, body)
                assert receive(connection.default_channel) == [body]
        (record,) = caplog.records
        assert "0-foreign cannot be moved" in record.getMessage()
        assert [path.name for path in queue.iterdir()] == ["0-foreign"]

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can lay down a folder that is another's")
    def test_what_a_dead_consumer_of_another_user_took_is_said_once_and_passed_over(self, open_folder, caplog):
        home = open_folder / "messages" / ".taken" / "another"
        (home / "work.queue").mkdir(parents=True)
        (home / "work.queue" / "1.msg").touch()
        for path in (home, home.parent, home.parent.parent):
            path.chmod(0o777)
        with as_another_user(), connected(open_folder) as connection:
            consumer = connection.default_channel.Consumer([Queue("work")], on_message=print)
            with consumer:
                for _ in range(3):
                    with pytest.raises(TimeoutError):
                        connection.drain_events(timeout=0.01)
        (record,) = caplog.records
        assert "another cannot be moved" in record.getMessage()
        assert (home / "work.queue" / "1.msg").exists()

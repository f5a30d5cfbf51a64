"""
What a reader has seen is there after a crash.

InnoDB shows a commit to others before it is on the disk. That moment is drawn out here by setting the server to write its log
later, for as long as somebody else sequences.
"""

import pytest

pytestmark = pytest.mark.faults

LATER = ["SET GLOBAL innodb_flush_log_at_timeout = 2700", "SET GLOBAL innodb_flush_log_at_trx_commit = 0"]
AT_ONCE = ["SET GLOBAL innodb_flush_log_at_trx_commit = 1", "SET GLOBAL innodb_flush_log_at_timeout = 1"]


@pytest.fixture
def last_pass_unwritten(mariadb):
    """Return a database whose last pass is committed, and not on the disk."""
    mariadb.run("prepare")
    mariadb.run("sequence")
    mariadb.run("write", count=28)
    for statement in LATER:
        mariadb.query(statement)
    yield mariadb
    for statement in AT_ONCE:
        mariadb.query(statement)


def crash(database):
    database.server.kill()
    database.server.start()


def test_a_crash_takes_back_a_pass_that_nobody_has_read(last_pass_unwritten):
    """Or the next test would show nothing."""
    database = last_pass_unwritten
    before = database.state()
    assert database.run("sequence") > 0
    assert database.state().head > before.head
    crash(database)
    assert database.state() == before


def test_a_crash_takes_back_nothing_that_the_feed_has_given(last_pass_unwritten):
    database = last_pass_unwritten
    assert database.run("sequence") > 0
    database.query(AT_ONCE[0])
    given = database.run("feed")["ids"]
    crash(database)
    assert database.state().event_ids == given
    assert database.judge().findings == []

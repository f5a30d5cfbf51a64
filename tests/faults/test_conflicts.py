"""Transactions that the database sacrifices while their events are written: they fail whole, and a retry works."""

import pytest

pytestmark = pytest.mark.faults


def test_a_deadlock_at_the_end_of_a_transaction_fails_it_whole_and_a_retry_works(server_database):
    outcome = server_database.run("deadlock")
    assert outcome["rival"] == "committed"
    assert outcome["end"].startswith("OperationalError")
    assert "deadlock" in outcome["end"].lower()
    # The rival's text, and none of the end's; of each row the event of its creation, and of the page the rival's too.
    assert outcome["texts"] == ["theirs", ""]
    assert outcome["told"] == 3
    assert outcome["retried"] == 5
    assert server_database.run("sequence") > 0
    assert server_database.pending() == 0


def test_a_deadlock_at_the_flush_fails_the_writer_whole_and_a_retry_works(server_database):
    outcome = server_database.run("deadlock_over_pending")
    assert outcome["rival"] == "committed"
    assert outcome["end"].startswith("OperationalError")
    assert "deadlock" in outcome["end"].lower()
    assert outcome["texts"] == ["theirs"]
    assert outcome["told"] == 2
    assert outcome["retried"] == 3


@pytest.mark.parametrize(
    ("level", "touching"),
    [("REPEATABLE READ", True), ("SERIALIZABLE", True), ("SERIALIZABLE", False)],
    ids=["repeatable_read_as_a_parent_is_touched", "serializable_as_a_parent_is_touched", "serializable_at_the_flush"],
)
def test_a_serialization_failure_at_the_end_fails_the_transaction_whole_and_a_retry_works(postgresql, level, touching):
    outcome = postgresql.run("serialization_failure", level=level, touching=touching)
    assert outcome["rival"] == "committed"
    assert outcome["end"].startswith("OperationalError of SerializationFailure")
    assert outcome["reached"] is not touching
    assert outcome["text"] == ""
    assert outcome["told"] == 1
    assert outcome["retried"] == 2


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_the_sequencer_reads_what_is_committed_whatever_level_the_project_chose(server_database, level):
    chosen = {"FAULTS_ISOLATION": level}
    server_database.run("prepare")
    assert server_database.run("isolation_of_a_pass", environment=chosen) == [level, "read committed", level]
    server_database.run("write", count=28, environment=chosen)
    server_database.run("sequence", environment=chosen)
    assert server_database.judge().findings == []


def test_a_pass_from_which_somebody_removed_an_event_moves_none_and_the_next_one_moves_the_rest(server_database):
    server_database.run("prepare")
    outcome = server_database.run("sequence_while_one_vanishes")
    assert "The sequencer read 10 pending events of 'default', inserted 9 and deleted 9" in outcome["raised"]
    assert (outcome["sequenced"], outcome["pending"]) == (0, 9)
    assert server_database.run("sequence") == 9
    assert server_database.value("SELECT position FROM clean_timestamps_loghead") == 9

"""The head that is gone: positions go on behind what was given."""

import pytest

pytestmark = pytest.mark.faults


def test_a_head_that_was_deleted_between_passes_is_made_again_behind_the_last_position(database):
    database.run("prepare")
    for seed in range(2):
        database.run("write", count=14, seed=seed)
        assert database.run("sequence") > 0
        last = database.value("SELECT max(position) FROM clean_timestamps_event")
        database.query("DELETE FROM clean_timestamps_loghead")
        database.run("write", count=14, seed=10 + seed)
        moved = database.run("sequence")
        assert moved > 0
        assert database.value("SELECT position FROM clean_timestamps_loghead") == last + moved
    assert database.judge().findings == []


def test_a_head_that_was_never_there_is_made_at_the_first_pass(database):
    database.query("DELETE FROM clean_timestamps_loghead")
    database.run("prepare")
    assert database.run("sequence") == 10
    assert database.judge().findings == []


def test_sequencers_that_make_the_head_at_once_give_each_position_once(server_database):
    for turn in range(3):
        server_database.run("prepare", counters=40)
        server_database.query("DELETE FROM clean_timestamps_loghead")
        moved = server_database.run("sequence_at_once", processes=4)
        assert sum(moved) == 46, moved
        assert server_database.value("SELECT count(*) FROM clean_timestamps_loghead") == 1
        assert server_database.value("SELECT position FROM clean_timestamps_loghead") == 46 * (turn + 1)
    assert server_database.judge().findings == []


def test_a_sequencer_that_is_killed_while_it_makes_the_head_leaves_none_or_a_right_one(database):
    database.run("prepare")
    database.run("sequence")
    database.run("write", count=14)
    database.query("DELETE FROM clean_timestamps_loghead")
    before = database.everything()
    database.run_to_death("sequence", "after INSERT INTO clean_timestamps_event")
    assert database.everything() == before
    assert database.judge().findings == []

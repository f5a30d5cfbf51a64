"""Retention goes by when an event was recorded, never by when it is said to have occurred."""

import pytest

pytestmark = pytest.mark.faults


def test_an_import_of_rows_that_are_years_old_is_kept_until_its_own_time_is_over(database):
    database.run("prepare")
    database.run("import_old", year=2009, count=20)
    database.run("sequence")
    assert database.value("SELECT count(*) FROM clean_timestamps_event WHERE occurred_at < '2010-01-01'") == 20
    assert database.run("prune") == 0
    assert database.judge().findings == []
    # What was recorded long ago goes, the import of today stays.
    database.query("UPDATE clean_timestamps_event SET recorded_at = '2009-06-01 00:00:00' WHERE position <= 10")
    assert database.run("prune") == 10
    assert database.value("SELECT count(*) FROM clean_timestamps_event WHERE occurred_at < '2010-01-01'") == 20
    assert database.value("SELECT min(position) FROM clean_timestamps_event") == 11


def test_positions_go_on_behind_what_was_pruned_even_where_the_head_is_lost(database):
    database.run("prepare")
    database.run("sequence")
    database.query("UPDATE clean_timestamps_event SET recorded_at = '2009-06-01 00:00:00'")
    assert database.run("prune") > 0
    database.query("DELETE FROM clean_timestamps_loghead")
    database.run("import_old", year=2009, count=5)
    assert database.run("sequence") == 5
    assert database.value("SELECT count(*) FROM clean_timestamps_event WHERE position BETWEEN 11 AND 15") == 5


def test_a_prune_that_is_killed_has_removed_its_events_or_kept_them(database):
    database.run("prepare")
    database.run("sequence")
    database.query("UPDATE clean_timestamps_event SET recorded_at = '2009-06-01 00:00:00' WHERE position <= 4")
    before = database.everything()
    database.run_to_death("prune", "before DELETE FROM clean_timestamps_event")
    assert database.everything() == before
    database.run("prune")
    database.run("prune")
    assert database.value("SELECT min(position) FROM clean_timestamps_event") == 5

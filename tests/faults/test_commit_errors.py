"""Whatever goes wrong before COMMIT takes row and event along, and leaves a connection that can be used."""

import pytest

pytestmark = pytest.mark.faults

FLUSH = "INSERT INTO clean_timestamps_pending"
WAYS = ["save_alone", "save_several", "update_flock", "create_in_bulk"]
POINTS = {
    "before_the_flush": [f"before {FLUSH}"],
    "after_the_flush": [f"after {FLUSH}"],
    "at_commit": [f"after {FLUSH}", "before COMMIT"],
}


def wanted(ways, errors, *, unchanged=True):
    """Return what should come out of each way of writing and each error."""
    return {
        f"{way}, {error}": {"raised": error, "mode_kept": True, "unchanged": unchanged, "goes_on": True}
        for way in ways
        for error in errors
    }


@pytest.mark.parametrize("points", POINTS.values(), ids=POINTS)
def test_an_error_that_is_not_the_database_s_undoes_the_write_and_the_next_one_works(database, points):
    database.run("prepare")
    errors = ["ValueError", "KeyboardInterrupt", "SystemExit"]
    assert database.run("fail_at", points=points, errors=errors, ways=WAYS) == wanted(WAYS, errors)
    assert database.judge().findings == []


@pytest.mark.parametrize("points", POINTS.values(), ids=POINTS)
def test_an_error_in_a_commit_by_hand_undoes_the_write_and_keeps_the_mode(database, points):
    database.run("prepare")
    # In SQLite's manual mode the end of an outermost block is the COMMIT, so there only writes without one.
    ways = ["save_alone", "create_in_bulk"] if database.name == "sqlite" else WAYS
    errors = ["ValueError"]
    assert database.run("fail_at", points=points, errors=errors, ways=ways, manual=True) == wanted(ways, errors)
    assert database.judge().findings == []


def test_an_error_right_after_commit_leaves_row_and_event_and_the_next_write_works(database):
    database.run("prepare")
    points, errors = [f"after {FLUSH}", "after COMMIT"], ["KeyboardInterrupt"]
    outcomes = database.run("fail_at", points=points, errors=errors, ways=WAYS)
    assert outcomes == wanted(WAYS, errors, unchanged=False)
    assert database.judge().findings == []


@pytest.mark.parametrize(
    "points",
    [
        ["after INSERT INTO clean_timestamps_event"],
        ["after DELETE FROM clean_timestamps_pending", "before COMMIT"],
    ],
    ids=["midway", "at_commit"],
)
def test_an_error_in_a_pass_leaves_everything_pending_and_the_session_as_it_was(database, points):
    database.run("prepare")
    outcome = database.run("fail_in_a_pass", points=points, error="KeyboardInterrupt")
    assert outcome == {"raised": "KeyboardInterrupt", "session_kept": True, "kept": True, "moved": True}
    assert database.judge().findings == []


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_a_deferred_constraint_that_fails_at_commit_takes_rows_and_events_along(request, name):
    # MariaDB checks foreign keys at once.
    database = request.getfixturevalue(name)
    database.run("prepare")
    outcome = database.run("fail_at_commit")
    assert "foreign key" in outcome["raised"].lower()
    assert outcome["unchanged"]
    assert outcome["goes_on"]
    assert database.judge().findings == []

"""Paging through the event log, however long it is and wherever it was pruned."""

import pytest
from django.db import connections

from django_clean_timestamps.admin.log_pages import PAGE_SIZE, SEARCH_WINDOW
from django_clean_timestamps.eventlog.models import Event, Pending
from tests.admin.log import link, log_of, log_url, place, shown
from tests.eventlog.log import statements

pytestmark = pytest.mark.django_db(databases=["default", "other"])

FAR = 5 * SEARCH_WINDOW


def follow(client, response, name):
    return client.get(log_url() + link(response, name))


def down(newest, oldest):
    return list(range(newest, oldest - 1, -1))


@pytest.fixture
def pages(db):
    """A log of two pages and a half, pruned up to its tenth event."""
    place(*range(11, 11 + 2 * PAGE_SIZE + 50))
    return 11, 10 + 2 * PAGE_SIZE + 50


def test_the_log_is_paged_from_the_newest_event_to_the_oldest_and_back(admin_client, pages):
    oldest, newest = pages
    first = log_of(admin_client)
    second = follow(admin_client, first, "older")
    third = follow(admin_client, second, "older")
    assert shown(first) == down(newest, newest - PAGE_SIZE + 1)
    assert shown(second) == down(newest - PAGE_SIZE, newest - 2 * PAGE_SIZE + 1)
    assert shown(third) == down(newest - 2 * PAGE_SIZE, oldest)
    assert link(first, "newer") is None
    assert link(third, "older") is None
    back = follow(admin_client, third, "newer")
    assert shown(back) == shown(second)
    assert shown(follow(admin_client, back, "older")) == shown(third)
    assert shown(follow(admin_client, back, "newer")) == shown(first)
    assert link(follow(admin_client, back, "newer"), "newer") is None
    assert shown(follow(admin_client, third, "newest")) == shown(first)


def test_a_page_begins_at_the_position_asked_for(admin_client, pages):
    assert shown(log_of(admin_client, upto=13)) == [13, 12, 11]
    assert shown(log_of(admin_client, upto=10**9))[0] == pages[1]


def test_a_position_that_was_pruned_leads_on_to_what_is_there(admin_client, pages):
    response = log_of(admin_client, upto=5)
    assert shown(response) == []
    assert "No events." in response.content.decode()
    assert link(response, "older") is None
    assert shown(follow(admin_client, response, "newer"))[-1] == pages[0]


def test_behind_the_newest_event_there_is_nothing(admin_client, pages):
    response = log_of(admin_client, after=pages[1])
    assert shown(response) == []
    assert link(response, "newer") is None
    assert shown(follow(admin_client, response, "older"))[0] == pages[1]


def test_before_the_oldest_event_there_is_nothing(admin_client, pages):
    response = log_of(admin_client, after=3)
    assert link(response, "older") is None
    assert shown(response)[-1] == pages[0]


def test_an_empty_log_has_no_other_pages(admin_client):
    for asked in ({}, {"upto": 5}, {"after": 5}, {"reason": "x"}, {"reason": "x", "after": 5}):
        response = log_of(admin_client, **asked)
        assert shown(response) == []
        assert link(response, "older") is link(response, "newer") is None


def test_the_pages_of_an_entity_are_its_own(admin_client):
    place(*range(1, 2 * PAGE_SIZE + 21, 2))
    place(*range(2, 2 * PAGE_SIZE + 21, 2), entity_id="2")
    first = log_of(admin_client, database="default", entity_type="testapp.note", entity_id="2")
    assert shown(first) == list(range(2 * PAGE_SIZE + 20, 20, -2))
    second = follow(admin_client, first, "older")
    assert shown(second) == list(range(20, 0, -2))
    assert first.context["page"].searched is None
    assert shown(follow(admin_client, second, "newer")) == shown(first)


# The window of a search.


def test_a_search_ends_with_the_window_and_can_be_taken_on(admin_client):
    place(1, 2, reason="wanted")
    place(FAR)
    response = log_of(admin_client, reason="wanted")
    assert shown(response) == []
    assert response.context["page"].searched == (FAR - SEARCH_WINDOW + 1, FAR)
    for _ in range(4):
        assert "Search older events" in response.content.decode()
        assert shown(response) == []
        response = follow(admin_client, response, "older")
    assert shown(response) == [2, 1]
    assert response.context["page"].searched == (1, SEARCH_WINDOW)
    assert link(response, "older") is None


def test_a_search_towards_the_newest_ends_with_the_window_too(admin_client):
    place(1)
    place(FAR, reason="wanted")
    response = log_of(admin_client, reason="wanted", after=0)
    for _ in range(4):
        assert "Search newer events" in response.content.decode()
        assert shown(response) == []
        response = follow(admin_client, response, "newer")
    assert shown(response) == [FAR]
    assert link(response, "newer") is None


def test_a_search_that_fills_its_page_goes_on_behind_it(admin_client):
    place(*range(1, PAGE_SIZE + 11), reason="wanted")
    place(FAR)
    response = log_of(admin_client, reason="wanted", upto=SEARCH_WINDOW)
    page = response.context["page"]
    assert shown(response) == down(PAGE_SIZE + 10, 11)
    assert page.searched == (11, SEARCH_WINDOW)
    assert not page.is_window_end
    assert shown(follow(admin_client, response, "older")) == down(10, 1)
    upwards = log_of(admin_client, reason="wanted", after=0)
    assert shown(upwards) == down(PAGE_SIZE, 1)
    assert upwards.context["page"].searched == (1, PAGE_SIZE)
    assert shown(follow(admin_client, upwards, "newer")) == down(PAGE_SIZE + 10, PAGE_SIZE + 1)


def test_the_window_is_told_where_it_is_one(admin_client):
    place(1)
    words = f"looked for among {SEARCH_WINDOW} positions at a time"
    assert words not in " ".join(log_of(admin_client).content.decode().split())
    page = " ".join(log_of(admin_client, actor="x").content.decode().split())
    assert words in page
    assert "Looked through the positions 1 to 1." in page


def test_a_position_that_was_pruned_was_not_looked_through(admin_client):
    place(50)
    assert log_of(admin_client, actor="x", upto=5).context["page"].searched is None


def test_who_may_not_view_all_models_looks_through_windows(note_client):
    place(1)
    place(2, FAR, entity_type="testapp.project")
    response = log_of(note_client)
    assert shown(response) == []
    assert response.context["page"].is_window_end
    assert shown(log_of(note_client, upto=2)) == [1]


def test_an_entity_of_one_who_may_not_view_all_models_is_found_anywhere(note_client):
    place(1)
    place(FAR, entity_type="testapp.project")
    assert shown(log_of(note_client, entity_type="testapp.note", entity_id="1")) == [1]


# What it costs.

ASKED = {
    "newest": {},
    "middle": {"upto": 50},
    "upwards": {"after": 50},
    "entity": {"entity_type": "testapp.note", "entity_id": "1"},
    "tree": {"entity_type": "testapp.dog", "entity_id": "1"},
    "type": {"entity_type": "testapp.note"},
    "texts": {"reason": "a", "actor": "b", "correlation_id": "c", "kind": "1"},
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_a_page_costs_three_statements_and_counts_and_skips_nothing(admin_client, asked):
    place(*range(1, PAGE_SIZE * 3))
    with statements() as found:
        log_of(admin_client, **asked)
    ours = [sql for sql in found if "clean_timestamps_" in sql]
    assert len(ours) == (2 if {"upto", "after"} & set(asked) else 3)
    assert not [sql for sql in ours if "COUNT(" in sql.upper() or "OFFSET" in sql.upper()]


def test_rows_cost_no_statements_of_their_own(note_client):
    place(1)
    with statements() as few:
        log_of(note_client)
    place(*range(2, PAGE_SIZE))
    with statements() as many:
        log_of(note_client)
    assert len(many) == len(few)


def plans(vendor, asked, client):
    with statements() as found:
        log_of(client, **asked)
    (sql,) = [each for each in found if "clean_timestamps_event" in each and "LIMIT 101" in each]
    with connections["default"].cursor() as cursor:
        if vendor == "postgresql":
            # A table of a few pages is read whole otherwise.
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(("EXPLAIN QUERY PLAN " if vendor == "sqlite" else "EXPLAIN ") + sql.replace("%", "%%"))
        return str(cursor.fetchall())


@pytest.mark.parametrize("asked", [{"entity_type": "testapp.note"}, {"entity_id": "1"}, {"reason": "a"}])
def test_a_window_is_a_range_of_positions_whatever_is_searched_for(admin_client, vendor, asked):
    place(*range(1, 500))
    place(FAR)
    plan = plans(vendor, asked, admin_client)
    by_position = {"sqlite": "sqlite_autoindex", "postgresql": "clean_timestamps_event_pkey", "mysql": "'PRIMARY'"}
    assert by_position[vendor] in plan
    assert "clean_timestamps_event_entity" not in plan


def test_opening_a_page_gives_no_positions(admin_client):
    Pending.objects.create(entity_type="testapp.note")
    log_of(admin_client)
    assert Pending.objects.count() == 1
    assert not Event.objects.exists()

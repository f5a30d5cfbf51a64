"""The checks, each on values."""

import pytest

from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.metrics.health.checks.alerts import check_alerts
from django_clean_timestamps.metrics.health.checks.databases import (
    check_database,
    check_tables,
    could_not_ask,
    no_log,
    not_asked,
)
from django_clean_timestamps.metrics.health.checks.logs import check_sequencer, check_transactions
from django_clean_timestamps.metrics.health.checks.processes import (
    check_clocks,
    check_collector,
    check_delivery,
    check_series,
)
from django_clean_timestamps.metrics.health.checks.subscriptions import (
    check_dead_events,
    check_subscriptions,
    waits,
)
from django_clean_timestamps.metrics.health.probing import Answer
from django_clean_timestamps.metrics.health.values import Level
from tests.metrics.health.standing import LIMITS, NOON, WITHOUT, alert, figures, freshness, log, process, shard

OK, WARNING, UNKNOWN, CRITICAL = Level
DAYS = 86_400.0


@pytest.fixture
def mail():
    """A handler of the name that the values have."""
    on_timestamp(name="shop.mail")(lambda event: None)


def the(results):
    (found,) = results
    return found


class TestDatabases:
    def test_one_that_answers_is_well(self):
        assert check_database("default", Answer()).level is OK

    def test_one_that_is_late_is_critical(self):
        found = check_database("default", Answer(error=TimeoutError("no answer")))
        assert (found.level, found.text) == (CRITICAL, "It did not answer within 1 s.")
        assert "DATABASES['default']" in found.remedy

    def test_what_an_error_says_is_kept_apart(self):
        found = check_database("default", Answer(error=OSError("password of anna")))
        assert (found.level, found.text) == (CRITICAL, "It cannot be reached: OSError.")
        assert found.detail == "OSError: password of anna"

    def test_tables_that_are_there_are_well(self):
        found = check_tables("log", "default", "default", [])
        assert (found.level, found.remedy) == (OK, "")

    def test_tables_and_migrations_that_are_missing_are_named(self):
        found = check_tables("metrics", "", "other", ["a", "b"], ["0003_c"])
        assert found.level is CRITICAL
        assert found.text == "Tables are missing: a, b. Migrations are not applied: 0003_c."
        assert found.remedy == "Run 'manage.py migrate clean_timestamps --database other'."
        assert figures(found) == {"missing_tables": 2, "unapplied_migrations": 1}

    def test_a_log_is_missed_where_there_are_entities(self):
        assert (no_log(has_entities=True).level, no_log(has_entities=False).level) == (CRITICAL, OK)

    def test_what_was_not_asked_is_unknown(self):
        assert not_asked("log", "other").level is UNKNOWN
        found = could_not_ask("log", "other", ValueError("key 7"))
        assert (found.level, found.text, found.detail) == (
            UNKNOWN,
            "It could not be asked: ValueError.",
            "ValueError: key 7",
        )


class TestSequencer:
    def test_where_nothing_is_pending_it_is_well(self):
        found = check_sequencer(log(head=7, sequenced_age_seconds=3.0), LIMITS, is_heard=True)
        assert (found.level, found.text, found.remedy) == (OK, "Every event has its position.", "")
        assert figures(found) == {
            "pending_events": 0,
            "oldest_pending_seconds": None,
            "sequenced_ago_seconds": 3.0,
            "head_positions": 7,
        }

    @pytest.mark.parametrize(("age", "level"), [(5.0, OK), (200.0, WARNING), (700.0, CRITICAL)])
    def test_what_waits_counts_where_somebody_hears_it(self, age, level):
        found = check_sequencer(log(pending_count=3, oldest_pending_age_seconds=age), LIMITS, is_heard=True)
        assert found.level is level
        assert found.text.startswith("Waiting for a position: 3, the oldest for ")
        assert bool(found.remedy) == (level is not OK)

    @pytest.mark.parametrize(
        ("age", "is_heard", "level"),
        [(0.9, False, OK), (2, False, WARNING), (2, True, CRITICAL)],
    )
    def test_where_nobody_hears_it_a_day_counts(self, age, is_heard, level):
        stalled = log(pending_count=10_000, oldest_pending_age_seconds=age * DAYS)
        found = check_sequencer(stalled, WITHOUT, is_heard=is_heard)
        assert found.level is level
        assert found.text.startswith("Waiting for a position: 10,000 events or more, the oldest for ")


@pytest.mark.parametrize(
    ("values", "level", "text"),
    [
        ({}, OK, "The database does not show the transactions of others."),
        ({"is_oldest_transaction_known": True}, OK, "No transaction is open."),
        ({"oldest_transaction_age_seconds": 60.0}, OK, "The oldest transaction has been open for 1 minute."),
        ({"oldest_transaction_age_seconds": 7_201.0}, WARNING, "The oldest transaction has been open for 2 hours."),
    ],
)
def test_a_transaction_that_is_open_for_an_hour_is_told_of(values, level, text):
    found = check_transactions(log(**values))
    assert (found.level, found.text, bool(found.remedy)) == (level, text, level is WARNING)


@pytest.mark.usefixtures("mail")
class TestSubscriptions:
    @pytest.mark.parametrize(
        ("values", "level", "text"),
        [
            ({}, OK, "Up to date."),
            ({"lag_count": 3}, OK, "Positions behind: 3."),
            (
                {"lag_count": 3_000, "lag_seconds": 5.0},
                OK,
                "Positions behind: 3,000, the first recorded 5 seconds ago.",
            ),
            (
                {"lag_count": 3_000, "lag_seconds": 61.0},
                WARNING,
                "Positions behind: 3,000, the first recorded 1 minute ago.",
            ),
            (
                {"lag_count": 3, "lag_seconds": 700.0},
                CRITICAL,
                "Positions behind: 3, the first recorded 11 minutes ago.",
            ),
            ({"state": "paused", "lag_count": 3, "lag_seconds": DAYS}, OK, "Paused. Positions behind: 3, the first"),
            ({"state": "backing_off"}, WARNING, "It fails on everything, and tries now and then. Up to date."),
            ({"state": "backing_off", "lag_count": 3, "lag_seconds": 700.0}, CRITICAL, "It fails on everything"),
            ({"problem": "key 7"}, CRITICAL, "It goes no further. Up to date."),
            ({"replay_until": 9, "lag_count": 3, "lag_seconds": DAYS}, OK, "It hears events again. Positions"),
            ({"handler": "shop.gone", "lag_count": 3, "lag_seconds": DAYS}, WARNING, "Its handler is gone"),
            ({"using": "other"}, WARNING, "Its handler is gone"),
        ],
    )
    def test_each_standing_has_its_level_and_words(self, values, level, text):
        found = the(check_subscriptions([shard(**values)], LIMITS))
        assert found.level is level
        assert found.text.startswith(text)
        if level is not OK:
            assert found.remedy

    def test_what_to_do_of_a_paused_one_names_it(self):
        found = the(check_subscriptions([shard(state="paused")], LIMITS))
        assert found.remedy == "'manage.py timestamps_resume shop.mail' lets it go on."

    def test_what_an_error_said_is_kept_apart(self):
        shards = [shard(problem="key 7"), shard(slot_from=128, problem="key 7"), shard(problem="key 8")]
        found = the(check_subscriptions(shards, LIMITS))
        assert (found.detail, "key" in found.text) == ("key 7; key 8", False)

    def test_of_shards_the_worst_counts(self):
        shards = [
            shard(lag_count=1, lag_seconds=2.0, retry_count=1, waiting_count=2, failures=4),
            shard(slot_from=128, lag_count=9, lag_seconds=700.0, dead_count=5),
        ]
        found = the(check_subscriptions(shards, LIMITS))
        assert found.level is CRITICAL
        assert figures(found) == {
            "lag_events": 9,
            "lag_seconds": 700.0,
            "parked_events": 3,
            "dead_events": 5,
            "failed_in_a_row_attempts": 4,
        }

    def test_each_database_of_a_handler_has_its_own(self):
        found = check_subscriptions([shard(), shard(using="other", handler="shop.stock")], LIMITS)
        assert [each.subject for each in found] == ["shop.mail", "shop.stock (other)"]

    @pytest.mark.parametrize(
        ("values", "does_wait"),
        [
            ({}, True),
            ({"lag_count": 0}, False),
            ({"state": "paused"}, False),
            ({"state": "backing_off"}, False),
            ({"problem": "unreadable"}, False),
            ({"replay_until": 9}, False),
            ({"handler": "shop.gone"}, False),
        ],
    )
    def test_only_what_nothing_explains_waits_for_somebody(self, values, does_wait):
        assert waits(shard(**{"lag_count": 3, **values})) is does_wait


def test_a_handler_that_hears_the_log_no_more_is_told_of():
    on_timestamp(name="shop.mail", sender="otherapp.remote")(lambda event: None)
    assert the(check_subscriptions([shard()], LIMITS)).level is WARNING


@pytest.mark.parametrize(("counts", "level"), [((0, 0), OK), ((0, 1), WARNING), ((20, 1), CRITICAL)])
def test_dead_events_are_counted_over_all_handlers(counts, level):
    found = check_dead_events(
        "default", [shard(handler=f"shop.h{count}", dead_count=count) for count in counts], LIMITS
    )
    assert (found.level, figures(found)["dead_events"], bool(found.remedy)) == (level, sum(counts), sum(counts) > 0)
    assert found.text == (
        "No event is dead."
        if not sum(counts)
        else f"Dead events: {sum(counts)}, of {', '.join(f'shop.h{count}' for count in sorted(counts) if count)}."
    )


class TestDelivery:
    @pytest.mark.parametrize(
        ("oldest", "processes", "level", "text"),
        [
            (None, [], OK, "No worker and no relay has given a sign of life for 2 minutes. Nothing waits."),
            (60.0, [process("web")], OK, "No worker and no relay has given a sign of life for 2 minutes. The oldest"),
            (200.0, [process("relay", age_seconds=300.0)], CRITICAL, "No worker and no relay"),
            (700.0, [], CRITICAL, "No worker and no relay"),
            (
                200.0,
                [process("worker"), process("worker"), process("relay"), process("web")],
                WARNING,
                "Living processes: 2 worker, 1 relay. The oldest event waits for 3 minutes.",
            ),
            (5.0, [process("worker")], OK, "Living processes: 1 worker. The oldest event waits for 5 seconds."),
            (200.0, None, WARNING, "Whether a worker or a relay lives is not known without metrics. The oldest"),
            (None, None, OK, "Whether a worker or a relay lives is not known without metrics. Nothing waits."),
        ],
    )
    def test_somebody_must_deliver_what_waits(self, oldest, processes, level, text):
        found = check_delivery(oldest, processes, LIMITS)
        assert found.level is level
        assert found.text.startswith(text)
        assert bool(found.remedy) == (level is not OK)

    def test_where_workers_live_the_queue_is_to_be_looked_at(self):
        assert "QUEUE" in check_delivery(200.0, [process("worker")], LIMITS).remedy
        assert "Start" in check_delivery(200.0, [], LIMITS).remedy

    def test_processes_are_counted_where_they_are_known(self):
        assert figures(check_delivery(None, [process("relay")], LIMITS)) == {
            "oldest_seconds": None,
            "delivering_processes": 1,
        }
        assert figures(check_delivery(None, None, LIMITS)) == {"oldest_seconds": None}


class TestCollector:
    @pytest.mark.parametrize(
        ("age", "level", "text"),
        [
            (None, WARNING, "Nothing was collected yet. No process lives."),
            (5.0, OK, "House was last kept 5 seconds ago. No process lives."),
            (200.0, WARNING, "House was last kept 3 minutes ago. No process lives."),
            (700.0, CRITICAL, "House was last kept 11 minutes ago. No process lives."),
        ],
    )
    def test_house_must_be_kept(self, age, level, text):
        found = check_collector(freshness(age), [process(age_seconds=999.0)], LIMITS)
        assert (found.level, found.text, bool(found.remedy)) == (level, text, level is not OK)

    def test_living_processes_are_counted_by_kind(self):
        found = check_collector(freshness(5.0), [process("web"), process("web"), process("command")], LIMITS)
        assert found.text == "House was last kept 5 seconds ago. Living processes: 2 web, 1 command."
        assert figures(found) == {
            "kept_ago_seconds": 5.0,
            "living_processes": 3,
            "living_web_processes": 2,
            "living_worker_processes": 0,
            "living_relay_processes": 0,
            "living_command_processes": 1,
        }


class TestClocks:
    @pytest.mark.parametrize(
        ("skews", "level", "text"),
        [
            ([], OK, "No process lives whose clock could be wrong."),
            ([0.2, -0.9], OK, "The clocks are right."),
            ([0.2, -3.0], WARNING, "The clock of box (web) is 3 seconds behind the database's."),
            ([62.0, -3.0], CRITICAL, "The clock of box (web) is 1 minute ahead of the database's."),
        ],
    )
    def test_a_clock_must_be_right(self, skews, level, text):
        processes = [process(skew_seconds=skew) for skew in skews] + [process(age_seconds=999.0, skew_seconds=99.0)]
        found = check_clocks(processes)
        assert (found.level, found.text, bool(found.remedy)) == (level, text, level is not OK)


@pytest.mark.parametrize(
    ("dropped", "text"),
    [(0, "Each observation is counted in a series of its own."), (7, "Counted under __other__, since there are too")],
)
def test_what_has_no_series_of_its_own_is_told_and_well(dropped, text):
    found = check_series([process(dropped=dropped), process(age_seconds=999.0, dropped=5)])
    assert found.level is OK
    assert found.text.startswith(text)
    assert figures(found) == {"other_observations": dropped}


class TestAlerts:
    def test_none_that_fires_is_well(self):
        found = check_alerts([alert(state="pending", level="ok")], None)
        assert (found.level, found.text, found.remedy) == (OK, "No alert fires.", "")

    def test_the_worst_that_fires_counts_and_silenced_ones_do_not(self):
        alerts = [
            alert(),
            alert(rule="latency", subject="shop.order/update/default"),
            alert(rule="dead_events", level="critical", silenced_until=NOON, silenced_by="anna"),
        ]
        found = check_alerts(alerts, 5.0)
        assert (found.level, found.text) == (
            WARNING,
            "Firing: Undelivered events (all logs and handlers), Slow operations (update of shop.order on default).",
        )
        assert "timestamps_status" in found.remedy
        assert figures(found) == {"firing_alerts": 2, "silenced_alerts": 1, "evaluated_ago_seconds": 5.0}

    def test_one_whose_data_ended_while_it_fired_still_counts(self):
        assert check_alerts([alert(state="no_data", level="critical")], 5.0).level is CRITICAL

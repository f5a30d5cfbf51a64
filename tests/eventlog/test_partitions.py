import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError, ProgrammingError, connection, connections, models, transaction

from django_clean_timestamps.eventlog import changed_since, partitions, retention
from django_clean_timestamps.eventlog.cursors import answer_for_cursors, forget_cursors
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.partitions import drop_partitions, extend_partitions, partitions_of
from django_clean_timestamps.eventlog.retention import prune, prune_if_due
from django_clean_timestamps.eventlog.sequencer import sequence
from tests.eventlog.aged import make_older, positions
from tests.eventlog.log import add_pending
from tests.eventlog.partitioned import make_plain, partition, sql_of_page
from tests.testapp.models import Note

TABLE = "clean_timestamps_event"


def ranges():
    return [(part.lower, part.upper) for part in partitions_of("default")]


def add_events(count):
    add_pending(count)
    sequence()


def run(*statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def rows_of(table):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return cursor.fetchone()[0]


def indexes():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s ORDER BY 1",
            [TABLE],
        )
        return [(name, definition.replace(" ON ONLY ", " ON ")) for name, definition in cursor.fetchall()]


@pytest.mark.django_db
def test_a_plain_table_has_no_partitions():
    assert partitions_of("default") == ()
    assert extend_partitions("default") == 0
    assert list(drop_partitions("default", before=None, last=None)) == []


@pytest.mark.postgres
@pytest.mark.django_db
class TestThePage:
    def test_its_sql_keeps_every_event_and_makes_the_partitions(self):
        add_events(25)
        partition(10)
        assert positions() == list(range(1, 26))
        assert ranges() == [(0, 30), (30, 40), (None, None)]
        assert [part.name for part in partitions_of("default")] == [f"{TABLE}_p0", f"{TABLE}_p30", f"{TABLE}_default"]

    def test_an_empty_log_can_be_partitioned_too(self):
        partition(10)
        assert ranges() == [(0, 10), (10, 20), (None, None)]
        add_events(3)
        assert positions() == [1, 2, 3]

    def test_the_first_partition_ends_behind_the_head_where_the_events_are_gone(self):
        add_events(25)
        Event._base_manager.all().delete()
        partition(10)
        assert ranges()[0] == (0, 30)

    def test_indexes_and_defaults_are_the_same_afterwards(self):
        before = indexes()
        partition(10)
        assert indexes() == before
        run(f"INSERT INTO {TABLE} (position) VALUES (7)")
        assert Event.objects.get().schema == 1

    def test_the_way_back_leaves_the_table_as_it_was(self):
        add_events(25)
        before = indexes()
        partition(10)
        make_plain()
        assert partitions_of("default") == ()
        assert positions() == list(range(1, 26))
        assert indexes() == before

    def test_a_partition_of_another_size_is_followed(self):
        add_events(3)
        partition(10_000_000)
        run(sql_of_page()[1])
        run(f"INSERT INTO {TABLE} (position) VALUES (12000000)")
        assert extend_partitions("default") == 1
        assert ranges()[-2:] == [(40_000_000, 60_000_000), (None, None)]


@pytest.mark.postgres
@pytest.mark.django_db
class TestTheLogOnPartitions:
    def test_what_is_written_is_sequenced_and_read(self):
        partition(2)
        notes = Note.objects.bulk_create([Note() for _ in range(9)])
        page = changed_since()
        assert [event.entity_id for event in page.changes] == [str(note.pk) for note in notes]
        assert positions() == list(range(1, 10))

    @pytest.mark.django_db(databases=["default", "other"])
    def test_migrations_have_nothing_to_do(self):
        partition(10)
        call_command("makemigrations", "clean_timestamps", check=True, dry_run=True, stdout=StringIO())

    def test_a_migration_can_change_the_table(self):
        add_events(15)
        partition(10)
        field = models.SmallIntegerField(null=True, db_index=True)
        field.set_attributes_from_name("flavour")
        with connection.schema_editor() as editor:
            editor.add_field(Event, field)
        add_events(15)
        extend_partitions("default")
        run(f"SELECT flavour FROM {TABLE}")


@pytest.mark.postgres
@pytest.mark.django_db
class TestMaking:
    def test_two_are_kept_ready_behind_that_of_the_head(self):
        partition(10)
        add_events(5)
        assert extend_partitions("default") == 1
        assert ranges() == [(0, 10), (10, 20), (20, 30), (None, None)]
        assert extend_partitions("default") == 0
        add_events(5)
        assert extend_partitions("default") == 1
        assert ranges()[-2:] == [(30, 40), (None, None)]

    def test_what_the_default_partition_took_becomes_a_partition_without_moving(self):
        partition(10)
        add_events(37)
        name = f"{TABLE}_default"
        assert rows_of(name) == 18
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_relation_filenode(%s)", [name])
            (file,) = cursor.fetchone()
        assert extend_partitions("default") == 3
        assert ranges() == [(0, 10), (10, 20), (20, 40), (40, 50), (50, 60), (None, None)]
        assert positions() == list(range(1, 38))
        assert rows_of(name) == 0
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_relation_filenode(%s)", [f"{TABLE}_p20"])
            assert cursor.fetchone() == (file,)

    def test_the_default_partition_may_run_over_again_and_again(self):
        partition(5)
        for _ in range(4):
            add_events(33)
            extend_partitions("default")
        assert positions() == list(range(1, 133))
        assert rows_of(f"{TABLE}_default") == 0

    def test_the_first_position_behind_the_last_partition_counts(self):
        partition(10)
        add_events(20)
        assert rows_of(f"{TABLE}_default") == 1
        extend_partitions("default")
        assert ranges() == [(0, 10), (10, 20), (20, 30), (30, 40), (40, 50), (None, None)]

    def test_a_missing_default_partition_is_made(self):
        partition(10)
        run(f"DROP TABLE {TABLE}_default")
        extend_partitions("default")
        assert ranges() == [(0, 10), (10, 20), (20, 30), (None, None)]

    def test_a_missing_default_partition_is_made_also_where_no_other_is_needed(self):
        partition(10)
        extend_partitions("default")
        run(f"DROP TABLE {TABLE}_default")
        assert extend_partitions("default") == 0
        assert ranges()[-1] == (None, None)

    def test_an_endless_partition_is_left_alone(self):
        partition(10)
        run(f"DROP TABLE {TABLE}_p10", f"CREATE TABLE x PARTITION OF {TABLE} FOR VALUES FROM (10) TO (MAXVALUE)")
        assert extend_partitions("default") == 0
        assert ranges() == [(0, 10), (10, None), (None, None)]

    def test_a_table_with_nothing_but_a_default_partition_says_no_size(self):
        partition(10)
        run(f"DROP TABLE {TABLE}_p0, {TABLE}_p10")
        assert extend_partitions("default") == 0

    def test_a_table_that_is_partitioned_by_something_else_is_left_alone(self):
        add_events(25)
        run(
            f"ALTER TABLE {TABLE} RENAME TO away",
            f"CREATE TABLE {TABLE} (LIKE away INCLUDING DEFAULTS) PARTITION BY RANGE (recorded_at)",
            f"CREATE TABLE y PARTITION OF {TABLE} FOR VALUES FROM (MINVALUE) TO (MAXVALUE)",
            f"INSERT INTO {TABLE} SELECT * FROM away",
        )
        make_older(40, upto=20)
        assert partitions_of("default") == ()
        assert prune() == 20


@pytest.mark.postgres
@pytest.mark.django_db
class TestPruning:
    @pytest.fixture(autouse=True)
    def five_partitions(self):
        """Positions 1 to 45 in partitions of ten, those up to 35 old."""
        partition(10)
        for _ in range(5):
            add_events(9)
            extend_partitions("default")
        make_older(40, upto=35)

    def test_whole_partitions_are_dropped_and_the_rest_is_deleted(self):
        told = []
        assert prune(batch_size=3, progress=told.append) == 35
        assert told == [9, 19, 29, 32, 35]
        assert positions() == list(range(36, 46))
        assert ranges() == [(30, 40), (40, 50), (50, 60), (60, 70), (None, None)]

    def test_a_dry_run_counts_the_same_and_drops_nothing(self):
        before = ranges()
        assert prune(dry_run=True) == 35
        assert ranges() == before
        assert len(positions()) == 45

    def test_a_partition_whose_last_event_is_young_stays(self):
        Event.objects.filter(position=19).update(recorded_at=retention.database_now("default"))
        assert prune() == 18
        assert ranges()[0] == (10, 20)

    def test_a_partition_with_a_young_event_in_its_midst_stays(self):
        Event.objects.filter(position=12).update(recorded_at=retention.database_now("default"))
        assert prune() == 11
        assert ranges()[0] == (10, 20)
        assert positions()[0] == 12

    def test_what_a_cursor_still_needs_is_not_dropped(self):
        def cursors(alias):
            return [18]

        answer_for_cursors(cursors)
        try:
            assert prune() == 18
        finally:
            forget_cursors(cursors)
        assert ranges()[0] == (10, 20)
        assert positions()[0] == 19

    def test_a_partition_goes_when_its_last_position_is_done_with(self):
        def cursors(alias):
            return [19]

        answer_for_cursors(cursors)
        try:
            assert prune() == 19
        finally:
            forget_cursors(cursors)
        assert ranges()[0] == (20, 30)

    def test_the_partition_of_the_head_stays_however_old_it_is(self):
        make_older(40)
        assert prune() == 44
        assert ranges() == [(40, 50), (50, 60), (60, 70), (None, None)]
        assert positions() == [45]

    def test_partitions_that_are_empty_are_dropped(self):
        Event.objects.filter(position__lte=25)._raw_delete("default")
        assert prune() == 10
        assert ranges()[0] == (30, 40)

    def test_what_the_default_partition_held_is_dropped_later(self):
        add_events(60)
        prune()
        assert (70, 110) in ranges()
        add_events(10)
        make_older(40, upto=112)
        assert prune() == 112 - 35
        assert ranges()[0] == (110, 120)

    def test_the_prune_that_is_due_drops_too(self):
        assert prune_if_due() == 35
        assert ranges()[0] == (30, 40)

    def test_asking_whether_a_prune_is_due_makes_partitions(self):
        make_older(0)
        add_events(10)
        assert prune_if_due() == 0
        assert ranges()[-2:] == [(70, 80), (None, None)]


@pytest.fixture
def partitioned(committing):
    """A partitioned table that others see: partitions of ten, positions 1 to 25, all old but the last."""
    add_events(5)
    partition(10)
    for _ in range(2):
        add_events(10)
        extend_partitions("default")
    make_older(40, upto=24)
    yield
    make_plain()


@pytest.mark.postgres
@pytest.mark.usefixtures("partitioned")
class TestBesideOthers:
    def test_several_may_prune_while_others_write_and_sequence(self):
        errors, counts = [], []

        def work(what):
            try:
                for _ in range(25):
                    what()
            except Exception as error:  # noqa: BLE001 - shown by the test
                errors.append(error)
            finally:
                connections.close_all()

        def write():
            add_pending(4)
            sequence()

        def drop():
            counts.append(prune(older_than=timedelta(0), batch_size=5))

        threads = [threading.Thread(target=work, args=[what]) for what in (write, write, drop, drop)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        sequence()
        assert not Pending.objects.exists()
        last = 25 + 2 * 25 * 4
        assert positions() == list(range(sum(counts) + 1, last + 1))

    def test_a_reader_that_takes_long_is_left_alone_and_told_of(self, caplog, monkeypatch):
        monkeypatch.setattr(partitions, "LOCK_MILLISECONDS", 50)
        reads, done = threading.Event(), threading.Event()

        def read():
            try:
                with transaction.atomic():
                    Event.objects.count()
                    reads.set()
                    done.wait(10)
            finally:
                connections.close_all()

        thread = threading.Thread(target=read)
        thread.start()
        reads.wait(10)
        try:
            assert prune() == 24
        finally:
            done.set()
            thread.join()
        assert "were left as they are: the table was in use for 50 ms" in caplog.text
        assert ranges()[0] == (0, 10)
        assert prune() == 0
        assert ranges()[0] == (20, 30)

    def test_a_partition_that_another_has_dropped_meanwhile_is_not_counted(self):
        steps = drop_partitions("default", before=retention.database_now("default"), last=lambda using: 24)
        assert next(steps) == 9
        (part,) = [part for part in partitions_of("default") if part.lower == 10]
        run(f"ALTER TABLE {TABLE} DETACH PARTITION {part.name}", f"ALTER TABLE {part.name} RENAME TO elsewhere")
        run(f"CREATE TABLE {part.name} (LIKE elsewhere)")
        try:
            assert list(steps) == []
        finally:
            run(f"DROP TABLE {part.name}, elsewhere")

    def test_what_another_has_deleted_of_a_partition_meanwhile_is_not_counted(self, monkeypatch):
        count_if_old = partitions._count_if_old

        def count_then_delete(using, part, before):
            found = count_if_old(using, part, before)
            if part.lower == 10:
                Event.objects.filter(position__lte=12)._raw_delete("default")
            return found

        monkeypatch.setattr(partitions, "_count_if_old", count_then_delete)
        assert list(drop_partitions("default", before=retention.database_now("default"), last=lambda using: 24)) == [
            9,
            7,
        ]

    def test_a_partition_that_is_gone_before_it_was_looked_at_is_passed_over(self):
        steps = drop_partitions("default", before=retention.database_now("default"), last=lambda using: 24)
        assert next(steps) == 9
        run(f"DROP TABLE {TABLE}_p10")
        assert list(steps) == []

    def test_other_errors_than_these_are_raised(self):
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 1")
        try:
            with pytest.raises(OperationalError, match="statement timeout"):
                partitions._changing("default", lambda cursor: cursor.execute("SELECT pg_sleep(1)"))
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = 0")
        broken = partitions.Partition(name="1", lower=0, upper=1)
        with pytest.raises(ProgrammingError, match="syntax error"):
            partitions._count_if_old("default", broken, retention.database_now("default"))

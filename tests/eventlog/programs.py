"""
Random programs over several entities, written to the real log, run beside an oracle.

What the oracle adds to that of the unit of work: touched parents, set-based writes of every kind, sequencing, reading
the log and the feed, failures of any statement, and the chain of stamps.
"""

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from django.db.transaction import TransactionManagementError

from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.eventlog import changed_since
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.exceptions import UnitOfWorkError
from django_clean_timestamps.testing import capture_events
from tests.eventlog.chains import by_name, check_chains, records
from tests.testapp.models import Note, Project, Tag, Task
from tests.unit_of_work.programs import EXPECTED, FAILURES, OTHERS, WRITES, Run, State, Vocabulary

MODELS = (Note, Project, Tag, Task)
UPDATE_STARTS = ("UPDATE", "WITH clean_timestamps_old")
LEFT_ALONE = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT")

WORDS = Vocabulary(
    writes=(
        *WRITES,
        *("touch_many", "bulk_update", "upsert", "upsert", "ignore", "delete_tags"),
        *("create_project", "create_task", "create_task", "save_task", "save_task", "touch_task"),
        *("update_tasks", "bulk_create_tasks", "bulk_update_tasks", "delete_tasks", "delete_project"),
    ),
    others=(*OTHERS, "read_log", "read_log", "read_feed"),
    faults=("raise", "set_rollback", "fail_update", "fail_insert", "fail_statement", "fail_statement", "repair"),
    manual=("commit", "rollback", "write_pending", "read_log"),
    outside=("sequence", "sequence", "read_feed", "fail_insert", "fail_statement", "fail_statement"),
)


@dataclass
class LogState(State):
    """What a rollback restores: the rows of the other models too, the parents to be touched, whether a write failed."""

    projects: dict = field(default_factory=dict)
    tasks: dict = field(default_factory=dict)
    tags: dict = field(default_factory=dict)
    touched: dict = field(default_factory=dict)
    half: bool = False


KINDS = {1: "created", 2: "updated", 3: "deleted"}
TABLES = (("note", "id, amount"), ("task", "id, project_id"), ("project", "id, id"), ("tag", "id, id"))


class Fault:
    """Fails one statement to come, before or after it has run."""

    def __init__(self, starts, error, *, count=1, after=False):
        self.starts, self.error, self.count, self.after = starts, error, count, after

    def strikes(self, sql):
        if self.starts is not None and not sql.startswith(self.starts):
            return False
        self.count -= 1
        return self.count == 0


class LogRun(Run):
    """One program under way, beside its oracle; nobody listens to its events, or a capture is open."""

    make_state = LogState

    def __init__(self, using, *, is_captured):
        super().__init__(using, None)
        self.is_captured = is_captured
        self.captured = []
        self.fault = None
        self.is_watched = True
        self.failed_statement = ""
        self.touching = []
        self.strays = {}
        self.cursor = None
        self.fed = []

    def run(self, program):
        head = LogHead._base_manager.using(self.using).values_list("position", flat=True).first() or 0
        with ExitStack() as stack:
            if self.is_captured:
                self.captured = stack.enter_context(capture_events())
            stack.enter_context(self.connection.execute_wrapper(self._maybe_fail))
            for statement in program:
                try:
                    self.step(statement)
                except EXPECTED:
                    assert not self.blocks
                if not statement.kind.startswith("fail_"):
                    self.fault = None
        assert not self.connection.in_atomic_block
        assert self.connection.get_autocommit()
        self.check()
        log = [(KINDS[record.kind], record.name, record.reason) for record in records(self.using)]
        assert self.sorted_keys(log) == self.sorted_keys(self.committed.events)
        check_chains(MODELS, self.using, may_say=self.strays)
        self.check_positions(head)

    # Failures.

    def _maybe_fail(self, execute, sql, params, many, context):
        fault = self.fault
        if (
            fault is None
            or not self.is_watched
            or self.connection.needs_rollback
            or sql.startswith(LEFT_ALONE)
            or not fault.strikes(sql)
        ):
            return execute(sql, params, many, context)
        self.fault, self.failed_statement = None, sql
        self.trace.append(f"    {fault.error!r} {'after' if fault.after else 'instead of'} {sql[:60]}")
        if fault.after:
            execute(sql, params, many, context)
        raise fault.error

    def _arm(self, statement, starts, **options):
        kind = FAILURES[statement.choice % len(FAILURES)]
        self.fault = Fault(starts, kind("injected"), after=statement.choice % 2 == 0, **options)

    def do_fail_update(self, statement):
        self._arm(statement, UPDATE_STARTS)

    def do_fail_insert(self, statement):
        quote = self.connection.ops.quote_name
        self._arm(statement, f"INSERT INTO {quote(Pending._meta.db_table)}")

    def do_fail_statement(self, statement):
        self._arm(statement, None, count=statement.choice % 7 + 1)

    @contextmanager
    def unwatched(self):
        self.is_watched = False
        try:
            yield
        finally:
            self.is_watched = True

    # Steps.

    def step(self, statement):
        try:
            super().step(statement)
        finally:
            if self.manual and not self.blocks and self.state.half:
                # Of a write that failed in manual mode only a rollback is sure to leave nothing, as Django says.
                self.do_rollback(statement)

    @contextmanager
    def writing(self, kind, pks, *, instance=None, model=Note):
        self.number += 1
        reason = str(self.number)
        was_broken = self.broken and bool(self.blocks)
        before = len(self.captured)
        targets = list(pks)
        self.touching = []
        if kind == "updated" and instance is not None:
            self._note_stray(self.instances[instance], reason)
        try:
            with timestamp_context(reason=reason):
                yield self.number, targets
        except BaseException as error:
            self._write_failed(error, was_broken)
            raise
        if was_broken:
            assert not targets, "a write went through in a broken transaction"
            return
        self.broken = False
        rows = [target if isinstance(target, tuple) else (kind, model, target) for target in targets]
        expected = [(kind, (model._meta.label_lower, str(pk)), reason, instance) for kind, model, pk in rows]
        self.state.touched |= {project: reason for project in self.touching if project is not None}
        if not self.in_transaction:
            expected += self._touches()
        self.state.events += self._as_captured(before, expected) if self.is_captured else expected
        if not self.in_transaction:
            self.committed = self.state.copy()

    def _as_captured(self, before, expected):
        """Return the expected events in the order in which they were captured: that of one statement is not promised."""
        if self.state.failed or self.state.half:
            return expected
        new = [key_of(event) for event in self.captured[before:]]
        assert self.sorted_keys(new) == self.sorted_keys(expected)
        return [next(each for each in expected if each[:3] == key) for key in new]

    def _note_stray(self, entity, reason):
        """Note what an instance believes that does not know its row: a rollback or a set-based write came between."""
        stored = None
        if not self.broken:
            with self.unwatched():
                rows = type(entity)._base_manager.using(self.using).filter(pk=entity.pk)
                stored = rows.values_list("updated_at", flat=True).first()
        if stored != entity.updated_at:
            self.strays[(entity._meta.label_lower, str(entity.pk)), reason] = entity.updated_at

    def _write_failed(self, error, was_broken):
        if was_broken:
            assert isinstance(error, TransactionManagementError | UnitOfWorkError), repr(error)
        elif self.in_transaction:
            self.broken = self.state.half = True
        else:
            self.state = self.committed.copy()

    def _touches(self):
        """Return the events of the parents that the end of a transaction touches."""
        touched, self.state.touched = self.state.touched, {}
        return [
            ("updated", (Project._meta.label_lower, str(key)), touched[key], None)
            for key in sorted(touched)
            if key in self.state.projects
        ]

    def _commit(self):
        self.state.events += self._touches()
        super()._commit()

    def _notice_release(self):
        if self.manual and self.connection.vendor == "sqlite" and not self.broken:
            # The release may be a COMMIT, so what is due before one is done, whether it is or not.
            self.state.events += self._touches()
        super()._notice_release()

    def _pick(self, statement, model=Note):
        there = self.state.rows if model is Note else self.state.tasks
        found = [i for i, entity in enumerate(self.instances) if isinstance(entity, model) and entity.pk in there]
        return found[statement.choice % len(found)] if found else None

    def _some(self, statement, keys):
        """Return some of the keys, none at times."""
        keys = sorted(keys)
        start = statement.choice % (len(keys) + 1)
        return keys[start : start + 1 + statement.choice % 3]

    def do_delete(self, statement):
        if (index := self._pick(statement)) is not None:
            pk = self.instances[index].pk
            with self.writing("deleted", [pk]):
                with self.unwatched():
                    note = Note.objects.using(self.using).get(pk=pk)
                note.delete()
                del self.state.rows[pk]

    # Set-based writes.

    def do_touch_many(self, statement):
        keys = self._some(statement, self.state.rows)
        with self.writing("updated", keys):
            Note.objects.using(self.using).filter(pk__in=keys).touch()

    def do_bulk_update(self, statement):
        keys = self._some(statement, self.state.rows)
        with self.writing("updated", keys) as (number, _):
            notes = [Note(pk=key, amount=number) for key in keys]
            Note.objects.using(self.using).bulk_update(notes, ["amount"])
            self.state.rows |= dict.fromkeys(keys, number)

    def do_upsert(self, statement):
        self._insert_tags(
            statement,
            update_conflicts=True,
            update_fields=["name"],
            unique_fields=["name"] if self.connection.features.supports_update_conflicts_with_target else None,
        )

    def do_ignore(self, statement):
        self._insert_tags(statement, ignore_conflicts=True)

    def _insert_tags(self, statement, **options):
        names = [f"tag {(statement.choice + index) % 6}" for index in range(statement.choice % 3 + 1)]
        with self.writing("created", [], model=Tag) as (number, targets):
            Tag.objects.using(self.using).bulk_create([Tag(name=name) for name in names], **options)
            with self.unwatched():
                there = dict(Tag.objects.using(self.using).values_list("name", "pk"))
            for name in names:
                if name not in self.state.tags:
                    targets.append(there[name])
                elif "update_conflicts" in options:
                    targets.append(("updated", Tag, there[name]))
                    self.strays[(Tag._meta.label_lower, str(there[name])), str(number)] = None
                self.state.tags[name] = there[name]

    def do_delete_tags(self, statement):
        names = self._some(statement, self.state.tags)
        with self.writing("deleted", [self.state.tags[name] for name in names], model=Tag):
            Tag.objects.using(self.using).filter(name__in=names).delete()
            for name in names:
                del self.state.tags[name]

    # Children and the parents they touch.

    def do_create_project(self, statement):
        project = Project()
        with self.writing("created", [], model=Project) as (_, targets):
            project.save(using=self.using)
            targets.append(project.pk)
            self.state.projects[project.pk] = None

    def _pick_project(self, statement):
        keys = [None, *sorted(self.state.projects)]
        return keys[statement.choice % len(keys)]

    def do_create_task(self, statement):
        task = Task(project_id=self._pick_project(statement))
        with self.writing("created", [], instance=len(self.instances), model=Task) as (_, targets):
            task.save(using=self.using)
            self.instances.append(task)
            targets.append(task.pk)
            self._put([task.pk], task.project_id)

    def _put(self, keys, project):
        """Note that tasks stand under a project now: it is touched, and so is the one where each was."""
        self.touching += [project for key in keys] + [self.state.tasks.get(key) for key in keys]
        self.state.tasks |= dict.fromkeys(keys, project)

    def do_save_task(self, statement):
        if (index := self._pick_fresh_task(statement)) is None:
            return
        task, project = self.instances[index], self._pick_project(statement)
        with self.writing("updated", [task.pk], instance=index, model=Task):
            task.project_id = project
            task.save(using=self.using)
            self._put([task.pk], project)

    def do_touch_task(self, statement):
        if (index := self._pick_fresh_task(statement)) is None:
            return
        task = self.instances[index]
        with self.writing("updated", [task.pk], instance=index, model=Task):
            task.touch(using=self.using)
            self._put([task.pk], self.state.tasks[task.pk])

    def _pick_fresh_task(self, statement):
        """Return a task that knows the parent of its row, which a rollback does not tell it."""
        index = self._pick(statement, Task)
        if index is not None and not self.broken:
            with self.unwatched():
                self.instances[index].refresh_from_db(using=self.using)
        return index

    def do_update_tasks(self, statement):
        keys, project = self._some(statement, self.state.tasks), self._pick_project(statement)
        with self.writing("updated", keys, model=Task):
            Task.objects.using(self.using).filter(pk__in=keys).update(project=project)
            self._put(keys, project)

    def do_bulk_create_tasks(self, statement):
        project = self._pick_project(statement)
        with self.writing("created", [], model=Task) as (_, targets):
            tasks = [Task(project_id=project) for _ in range(statement.choice % 3 + 1)]
            Task.objects.using(self.using).bulk_create(tasks)
            targets += [task.pk for task in tasks]
            self._put(targets, project)

    def do_bulk_update_tasks(self, statement):
        keys, project = self._some(statement, self.state.tasks), self._pick_project(statement)
        with self.writing("updated", keys, model=Task):
            tasks = [Task(pk=key, project_id=project) for key in keys]
            Task.objects.using(self.using).bulk_update(tasks, ["project"])
            self._put(keys, project)

    def do_delete_tasks(self, statement):
        keys = self._some(statement, self.state.tasks)
        with self.writing("deleted", keys, model=Task):
            Task.objects.using(self.using).filter(pk__in=keys).delete()
            self.touching += [self.state.tasks.pop(key) for key in keys]

    def do_delete_project(self, statement):
        if (key := self._pick_project(statement)) is None:
            return
        tasks = [task for task, project in self.state.tasks.items() if project == key]
        with self.writing("deleted", [*(("deleted", Task, task) for task in tasks), key], model=Project):
            Project.objects.using(self.using).filter(pk=key).delete()
            del self.state.projects[key]
            self.touching += [self.state.tasks.pop(task) for task in tasks]

    # The log.

    def do_read_log(self, statement):
        if self.broken and not self.blocks:
            return
        with self._reading():
            waiting, placed = (model.objects.using(self.using).count() for model in (Pending, Event))
            assert self.state.half or self.state.failed or waiting + placed == len(self.state.events)

    def do_read_feed(self, statement):
        if self.broken and not self.blocks:
            return
        with self._reading():
            page = changed_since(self.cursor, limit=statement.choice % 5 + 1, using=self.using)
            self.fed += page.changes
            self.cursor = page.cursor

    @contextmanager
    def _reading(self):
        was_broken = self.broken and bool(self.blocks)
        self.failed_statement = ""
        try:
            yield
        except BaseException:
            # Of what was read nothing is left; of what was written first, in part at least.
            self.state.failed |= self.in_transaction and self.failed_statement.startswith("INSERT")
            self.state.half |= was_broken
            raise
        assert not was_broken

    def do_sequence(self, statement):
        assert not self.in_transaction
        count = sequence(self.using, limit=statement.choice % 7 + 1)
        assert count <= len(self.committed.events)

    # What must hold after each step.

    def check(self):
        if self.broken or self.state.failed or self.state.half:
            return
        with self.unwatched():
            self._check()

    def _check(self):
        keys = [each[:3] for each in self.state.events]
        if self.is_captured:
            assert [key_of(event) for event in self.captured] == keys
        of_transaction = self.state.events[len(self.committed.events) :]
        for index, entity in enumerate(self.instances):
            expected = [each[:3] for each in of_transaction if each[3] == index]
            assert [key_of(event) for event in entity.get_domain_events()] == expected, f"instance {index}"
        notes, tasks, projects, tags = self._rows()
        assert (notes, tasks) == (self.state.rows, self.state.tasks)
        assert (projects.keys(), tags.keys()) == (self.state.projects.keys(), set(self.state.tags.values()))
        self._check_written(keys)
        assert self.called == self.expected_calls

    def _rows(self):
        """Return all rows, by key; in one query, since this is done after each step."""
        tables = (f"SELECT {number}, {columns} FROM testapp_{name}" for number, (name, columns) in enumerate(TABLES))
        found = ({}, {}, {}, {})
        for number, key, value in self._ask(" UNION ALL ".join(tables)):
            found[number][key] = value
        return found

    def _ask(self, query):
        with self.connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def _check_written(self, keys):
        columns = "event_id, kind, entity_type, entity_id, reason"
        rows = self._ask(
            f"SELECT 1, position, {columns} FROM {Event._meta.db_table} UNION ALL "
            f"SELECT 2, id, {columns} FROM {Pending._meta.db_table} ORDER BY 1, 2"
        )
        assert len(self.committed.events) <= len(rows) <= len(keys)
        if self.is_captured:
            ids = [event.event_id.hex for event in self.captured]
            assert [str(row[2]).replace("-", "") for row in rows] == ids[: len(rows)]
        expected = by_name(keys, name_of)
        written = ((KINDS[kind], (label, key), reason) for _, _, _, kind, label, key, reason in rows)
        for name, found in by_name(written, name_of).items():
            assert found == expected[name][: len(found)], name

    def sorted_keys(self, found):
        return sorted(tuple(each[:3]) for each in found)

    # What must hold at the end.

    def check_positions(self, head):
        """Read the rest of the feed: every event once, in the order of the log, under dense positions."""
        before = [record.event_id for record in records(self.using)]
        sequence(self.using)
        while True:
            page = changed_since(self.cursor, using=self.using)
            self.fed += page.changes
            self.cursor = page.cursor
            if not page.has_more:
                break
        assert [event.event_id for event in self.fed] == before
        assert [event.position for event in self.fed] == list(range(head + 1, head + 1 + len(before)))
        if self.is_captured:
            assert [as_captured(event) for event in self.fed] == [as_captured(event) for event in self.captured]


def name_of(key):
    return key[1]


def key_of(event):
    return event.event_type[10:], (event.entity_type, event.entity_id), event.reason


def as_captured(event):
    """Return an event's content, without what only the log knows."""
    content = event.to_dict()
    return {name: value for name, value in content.items() if name not in ("position", "recorded_at", "replayed")}

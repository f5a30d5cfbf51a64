"""
Random programs of writes, savepoints and failures, run beside an oracle.

The oracle knows nothing of markers and levels: a savepoint is a copy of the whole state, a rollback restores it.
"""

import random
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from django.db import DatabaseError, OperationalError, connections, transaction
from django.db.transaction import TransactionManagementError

from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.exceptions import UnitOfWorkError
from django_clean_timestamps.testing import capture_events
from django_clean_timestamps.unit_of_work import write_pending
from tests.testapp.models import Note
from tests.unit_of_work.written import WrittenEvent, set_savepoint

WRITES = ("create", "create", "save", "save", "save", "touch", "update", "bulk_create", "delete", "delete_many")
OTHERS = ("write_pending", "sp_set", "sp_set", "sp_rollback", "sp_rollback", "sp_release", "on_commit")
FAULTS = ("raise", "set_rollback", "fail_update", "fail_writer", "repair")
MANUAL = ("commit", "rollback", "write_pending")


class Vocabulary(NamedTuple):
    """The kinds of statements that programs are made of; ``outside`` of every block there are only these and writes."""

    writes: tuple[str, ...] = WRITES
    others: tuple[str, ...] = OTHERS
    faults: tuple[str, ...] = FAULTS
    manual: tuple[str, ...] = MANUAL
    outside: tuple[str, ...] = ()


PLAIN = Vocabulary()


class Boom(Exception):  # noqa: N818 - no error, a program's own way out
    """What a program raises."""


class Interrupt(BaseException):
    """Stands for KeyboardInterrupt, which pytest would heed."""


FAILURES = (ValueError, DatabaseError, Interrupt)
EXPECTED = (Boom, Interrupt, ValueError, DatabaseError, UnitOfWorkError)


@dataclass(frozen=True)
class Statement:
    """One step; blocks have a body."""

    kind: str
    choice: int = 0
    caught: bool = False
    body: tuple["Statement", ...] = ()
    savepoint: bool = True
    durable: bool = False

    def __str__(self):
        extra = f"({self.choice}{', caught' if self.caught else ''})"
        if self.kind not in ("atomic", "manual"):
            return self.kind + extra
        head = f"{self.kind}(savepoint={self.savepoint}, durable={self.durable}, caught={self.caught})"
        return "\n".join([head, *("    " + line for each in self.body for line in str(each).split("\n"))])


def make_program(seed, words=PLAIN):
    """Return the statements of one program."""
    rng = random.Random(seed)
    return tuple(_statement(rng, words, 0, manual=False) for _ in range(rng.randint(2, 5)))


def _statement(rng, words, depth, *, manual):
    roll = rng.random()
    if depth == 0 and roll < 0.12:
        body = tuple(_statement(rng, words, 1, manual=True) for _ in range(rng.randint(2, 8)))
        return Statement("manual", choice=rng.randrange(3), body=body, caught=True)
    if roll < (0.75 if depth == 0 else 0.28) and depth < 4:
        body = tuple(_statement(rng, words, depth + 1, manual=False) for _ in range(rng.randint(1, 6)))
        return Statement(
            "atomic",
            body=body,
            savepoint=rng.random() < 0.7,
            durable=depth == 0 and rng.random() < 0.3,
            caught=rng.random() < 0.6,
        )
    inside = (words.writes, words.writes, words.others, words.others, words.manual if manual else words.writes)
    kinds = words.writes + words.outside if depth == 0 else rng.choice([*inside, words.faults])
    return Statement(rng.choice(kinds), choice=rng.randrange(1_000), caught=rng.random() < 0.5)


@dataclass
class State:
    """What a rollback restores."""

    rows: dict = field(default_factory=dict)
    events: list = field(default_factory=list)
    callbacks: list = field(default_factory=list)
    failed: bool = False

    def copy(self):
        return replace(self, **{name: copy(value) for name, value in vars(self).items()})


class Run:
    """One program under way, beside its oracle."""

    make_state = State

    def __init__(self, using, writer):
        self.using = using
        self.writer = writer
        self.connection = connections[using]
        self.number = 0
        self.instances = []
        self.called = []
        self.trace = []
        self.update_fails = False
        # The oracle.
        self.state = self.make_state()
        self.committed = self.state.copy()
        self.expected_calls = []
        self.blocks = []
        self.manual_savepoints = []
        self.manual = False
        self.broken = False

    def run(self, program):
        with ExitStack() as stack:
            self.captured = stack.enter_context(capture_events())
            stack.enter_context(self.connection.execute_wrapper(self._maybe_fail))
            for statement in program:
                try:
                    self.step(statement)
                except EXPECTED:
                    assert not self.blocks
                self.writer.failure = None
                self.update_fails = False
        assert not self.connection.in_atomic_block
        assert self.connection.get_autocommit()
        self.check()
        assert self.written() == [key[:3] for key in self.committed.events]

    def _maybe_fail(self, execute, sql, params, many, context):
        if (
            self.update_fails
            and not self.connection.needs_rollback
            and sql.startswith("UPDATE")
            and "testapp_note" in sql
        ):
            self.update_fails = False
            raise OperationalError("injected into UPDATE")
        return execute(sql, params, many, context)

    # Steps.

    def step(self, statement):
        self.trace.append(f"{'    ' * (len(self.blocks) + self.manual)}{str(statement).partition(chr(10))[0]}")
        try:
            getattr(self, f"do_{statement.kind}")(statement)
        except EXPECTED as error:
            self.trace.append(f"{'    ' * (len(self.blocks) + self.manual)}  {statement.kind}: {error!r}")
            self.check()
            if not statement.caught:
                raise
        else:
            self.check()

    @property
    def in_transaction(self):
        return bool(self.blocks) or self.manual

    @contextmanager
    def writing(self, kind, pks, *, instance=None):
        """Run one write and note what it recorded, or what its failure did."""
        self.number += 1
        reason = str(self.number)
        was_broken = self.broken and bool(self.blocks)
        before = len(self.captured)
        targets = list(pks)
        try:
            with timestamp_context(reason=reason):
                yield self.number, targets
        except BaseException as error:
            self._write_failed(error, was_broken)
            raise
        assert not was_broken, "a write went through in a broken transaction"
        self.broken = False
        new = [(event.event_type[10:], event.entity_id, event.reason) for event in self.captured[before:]]
        # What a write that failed has left is known again when it was rolled back.
        assert self.state.failed or sorted(new) == sorted((kind, str(pk), reason) for pk in targets)
        self.state.events += [(*key, instance) for key in new]
        if not self.in_transaction:
            self.committed = self.state.copy()

    def _write_failed(self, error, was_broken):
        if was_broken:
            assert isinstance(error, TransactionManagementError | UnitOfWorkError), repr(error)
        elif self.in_transaction:
            self.broken = True
            # Until that is undone, a writer's failure forbids the commit.
            self.state.failed = self.state.failed or not isinstance(error, OperationalError)
        else:
            self.state = self.committed.copy()

    def do_create(self, statement):
        note = Note()
        index = len(self.instances)
        with self.writing("created", [], instance=index) as (number, targets):
            note.amount = number
            note.save(using=self.using)
            self.instances.append(note)
            targets.append(note.pk)
            self.state.rows[note.pk] = number

    def _pick(self, statement):
        there = [i for i, note in enumerate(self.instances) if note.pk in self.state.rows]
        return there[statement.choice % len(there)] if there else None

    def do_save(self, statement):
        if (index := self._pick(statement)) is None:
            self.do_create(statement)
            return
        note = self.instances[index]
        with self.writing("updated", [note.pk], instance=index) as (number, _):
            note.amount = number
            note.save(using=self.using)
            self.state.rows[note.pk] = number

    def do_touch(self, statement):
        if (index := self._pick(statement)) is not None:
            note = self.instances[index]
            with self.writing("updated", [note.pk], instance=index):
                note.touch(using=self.using)

    def do_update(self, statement):
        with self.writing("updated", self.state.rows) as (number, targets):
            Note.objects.using(self.using).update(amount=number)
            self.state.rows = dict.fromkeys(targets, number)

    def do_bulk_create(self, statement):
        with self.writing("created", []) as (number, targets):
            notes = [Note(amount=number) for _ in range(statement.choice % 4 + 1)]
            Note.objects.using(self.using).bulk_create(notes)
            targets += [note.pk for note in notes]
            self.state.rows |= dict.fromkeys(targets, number)

    def do_delete(self, statement):
        if (index := self._pick(statement)) is not None:
            pk = self.instances[index].pk
            with self.writing("deleted", [pk]):
                Note.objects.using(self.using).get(pk=pk).delete()
                del self.state.rows[pk]

    def do_delete_many(self, statement):
        if not (pks := list(self.state.rows)[: statement.choice % 2 + 1]):
            return
        with self.writing("deleted", pks):
            Note.objects.using(self.using).filter(pk__in=pks).delete()
            for pk in pks:
                del self.state.rows[pk]

    def do_write_pending(self, statement):
        if not self.in_transaction or (self.broken and not self.blocks):
            return
        try:
            write_pending(self.connection)
        except BaseException:
            self.state.failed = True
            raise

    # Savepoints by hand.

    def do_sp_set(self, statement):
        if self._savepoints_work():
            self.manual_savepoints.append((len(self.blocks), set_savepoint(self.using), self.state.copy()))

    def _savepoints_work(self):
        if self.broken:
            return False
        return bool(self.blocks) or (self.manual and self.connection.vendor != "sqlite")

    def _pick_savepoint(self, statement):
        depth = len(self.blocks)
        of_block = [i for i, (level, _, _) in enumerate(self.manual_savepoints) if level == depth]
        return of_block[statement.choice % len(of_block)] if of_block else None

    def do_sp_rollback(self, statement):
        if self._savepoints_work() and (index := self._pick_savepoint(statement)) is not None:
            self._roll_back_to(index)

    def _roll_back_to(self, index):
        _, sid, saved = self.manual_savepoints[index]
        transaction.savepoint_rollback(sid, self.using)
        del self.manual_savepoints[index + 1 :]
        # Django keeps the callbacks: it knows only of atomic()'s savepoints.
        callbacks = self.state.callbacks
        self.state = saved.copy()
        self.state.callbacks = callbacks

    def do_sp_release(self, statement):
        if self._savepoints_work() and (index := self._pick_savepoint(statement)) is not None:
            _, sid, saved = self.manual_savepoints[index]
            try:
                transaction.savepoint_commit(sid, self.using)
            except EXPECTED:
                # Before a release that may commit the events are written; that failed and was taken back.
                self.state = saved.copy()
                del self.manual_savepoints[index + 1 :]
                raise
            del self.manual_savepoints[index:]
            self._notice_release()

    def do_repair(self, statement):
        """Go on in a broken block, as Django's manual describes it: back to a savepoint, and unset the flag."""
        if self.broken and self.blocks and (index := self._pick_savepoint(statement)) is not None:
            transaction.set_rollback(False, self.using)
            self.broken = False
            self._roll_back_to(index)

    # Faults.

    def do_raise(self, statement):
        raise Boom

    def do_set_rollback(self, statement):
        if self.blocks:
            transaction.set_rollback(True, self.using)
            self.broken = True

    def do_fail_update(self, statement):
        self.update_fails = True

    def do_fail_writer(self, statement):
        kind = FAILURES[statement.choice % len(FAILURES)]
        self.writer.fail_with(kind("injected into the writer"), after_half=statement.choice % 2 == 0)

    def do_on_commit(self, statement):
        if self.blocks and not self.manual:
            tag = self.number
            transaction.on_commit(lambda: self.called.append(tag), self.using)
            self.state.callbacks.append(tag)

    # Blocks.

    def do_atomic(self, statement):
        outermost = not self.in_transaction
        if not self.blocks:
            self.broken = False
        saved = self.state.copy() if statement.savepoint and not self.broken and not outermost else None
        self.blocks.append(statement)
        try:
            with transaction.atomic(self.using, savepoint=statement.savepoint, durable=statement.durable):
                for each in statement.body:
                    self.step(each)
        except BaseException:
            self._left(saved, outermost, failed=True)
            raise
        self._left(saved, outermost, failed=False)
        if statement.savepoint:
            self._notice_release()

    def _notice_release(self):
        """SQLite begins a transaction with a savepoint in manual mode, and commits it with the release."""
        if self.manual and self.connection.vendor == "sqlite" and not self.connection.connection.in_transaction:
            self._commit()

    def _left(self, saved, outermost, *, failed):
        depth = len(self.blocks)
        self.blocks.pop()
        self.manual_savepoints = [each for each in self.manual_savepoints if each[0] < depth]
        if failed or self.broken:
            self.broken = False
            if outermost:
                self.state = self.committed.copy()
            elif saved is not None:
                self.state = saved
            else:
                self.broken = True
        elif outermost:
            assert not self.state.failed, "a transaction was committed although its writer had failed"
            self._commit()

    def _commit(self):
        self.expected_calls += self.state.callbacks
        self.state.callbacks = []
        self.committed = self.state.copy()
        if not self.blocks:
            self.manual_savepoints = []

    # Manual mode.

    def do_manual(self, statement):
        transaction.set_autocommit(False, self.using)
        self.manual = True
        try:
            for each in statement.body:
                self.step(each)
        except BaseException:
            self.do_rollback(statement)
            self._leave_manual_mode()
            raise
        if statement.choice == 0:
            self._commit_manually()
        elif statement.choice == 1 or self.connection.vendor == "postgresql":
            # PostgreSQL's driver refuses to leave manual mode while a transaction is open.
            self.do_rollback(statement)
        self._leave_manual_mode()

    def _leave_manual_mode(self):
        refused = self.state.failed
        try:
            transaction.set_autocommit(True, self.using)
        except EXPECTED:
            self.state = self.committed.copy()
            self.manual_savepoints = []
            transaction.set_autocommit(True, self.using)
        else:
            assert not refused
            self._commit()
        self.manual = self.broken = False

    def do_commit(self, statement):
        if self.manual and not self.blocks:
            self._commit_manually()

    def _commit_manually(self):
        refused = self.state.failed
        try:
            transaction.commit(self.using)
        except EXPECTED:
            self.state = self.committed.copy()
            self.manual_savepoints = []
        else:
            assert not refused
            self._commit()
        self.connection.needs_rollback = self.broken = False

    def do_rollback(self, statement):
        if self.manual and not self.blocks:
            transaction.rollback(self.using)
            self.state = self.committed.copy()
            self.manual_savepoints = []
            self.broken = False

    # What must hold after each step.

    def check(self):
        if self.broken or self.state.failed:
            return
        keys = [(event.event_type[10:], event.entity_id, event.reason) for event in self.captured]
        assert keys == [key[:3] for key in self.state.events]
        of_transaction = self.state.events[len(self.committed.events) :]
        for index, note in enumerate(self.instances):
            expected = [key[:3] for key in of_transaction if key[3] == index]
            found = [(e.event_type[10:], e.entity_id, e.reason) for e in note.get_domain_events()]
            assert found == expected, f"instance {index}"
        rows = dict(Note.objects.using(self.using).values_list("pk", "amount"))
        assert rows == self.state.rows, f"{rows} != {self.state.rows}"
        written = self.written()
        assert written == [key[:3] for key in self.state.events][: len(written)]
        assert len(written) >= len(self.committed.events)
        assert self.called == self.expected_calls

    def written(self):
        rows = WrittenEvent.objects.using(self.using).order_by("id").values_list("event_type", "entity_id", "reason")
        return [(event_type[10:], entity_id, reason) for event_type, entity_id, reason in rows]

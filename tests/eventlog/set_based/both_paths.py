"""The two ways to write an event, by SQL and by values, side by side."""

import uuid
from collections import defaultdict
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import F

from django_clean_timestamps.context import preserve_timestamps, stamped_at, timestamp_context, without_events
from django_clean_timestamps.eventlog.models import Pending
from django_clean_timestamps.testing import capture_events
from django_clean_timestamps.unit_of_work import get_unit
from tests.eventlog.log import COLUMNS, empty_log
from tests.testapp.models import (
    Animal,
    Attachment,
    Box,
    Category,
    Comment,
    Currency,
    Dog,
    Item,
    LongKey,
    Membership,
    Note,
    NoteProxy,
    Numbered,
    Part,
    Product,
    Project,
    Puppy,
    Seat,
    Spelled,
    Sticker,
    Task,
    Token,
)
from tests.unit_of_work.written import rolled_back

NOW = datetime(2026, 3, 4, 5, 6, 7, 891234, tzinfo=UTC)


def ids_after(write):
    empty_log()
    write()
    return list(Pending.objects.values_list("event_id", flat=True))


def all_are_version_seven(ids, reading):
    assert len(set(ids)) == len(ids)
    assert {each.version for each in ids} == {7}
    assert {each.variant for each in ids} == {uuid.RFC_4122}
    milliseconds = int(reading.timestamp() * 1000)
    assert {each.int >> 80 for each in ids} == {milliseconds}
    # The same place below the millisecond, the one that Python's own ids have.
    assert len({(each.int >> 64) & 0xFFF for each in ids}) == 1
    # So far that those of two statements, each with random bits of its own, as good as never meet.
    tails = {each.int & 0xFFFF_FFFF for each in ids}
    assert len(tails) > 0.99 * len(ids)


def log_of(write):
    """Return what a write leaves in the log, entity by entity in order; the write is taken back."""
    with rolled_back():
        write()
        get_unit(connection).run_errands()
        found = defaultdict(list)
        for row in Pending.objects.order_by("id"):
            values = {name: getattr(row, name) for name in COLUMNS if name not in ("event_id", "recorded_at")}
            found[row.entity_type, row.entity_id].append(values)
    return dict(found)


def both_paths_agree(write):
    by_sql = log_of(write)

    def captured():
        with capture_events():
            write()
            get_unit(connection).run_errands()

    assert by_sql == log_of(captured)
    return by_sql


def make_rows():
    """Make some rows of every shape, of which the log says nothing."""
    with without_events():
        projects = [Project.objects.create(pk=number, name=f"p{number}") for number in (1, 2)]
        for number in (1, 2, 3, 4):
            Note.objects.create(pk=number, title=f"n{number}", amount=number)
            Token.objects.create(pk=uuid.UUID(int=number), label="t")
            Currency.objects.create(code=f"é{number}'", name="c")
            Puppy.objects.create(pk=number, name="a", breed="b")
            Category.objects.create(pk=number, name="c", parent_id=number - 1 or None)
            Task.objects.create(pk=number, project=projects[number % 2], title=f"t{number}")
            Comment.objects.create(pk=number, task_id=number)
            Attachment.objects.create(pk=number, project=projects[number % 2])
            Product.objects.create(pk=number, sku=f"s{number}")
            Seat.objects.create(row=1, number=number)
            LongKey.objects.create(code="x" * (195 + number))
            Numbered.objects.create(pk=number, number=number)
            Membership.objects.create(pk=number, project=projects[0], user=f"u{number}", number=number)
            box = Box.objects.create(pk=number)
            Sticker.objects.create(pk=number, box=box)
            Sticker.objects.create(pk=number + 10, box=box)
            Part.objects.create(pk=number, item=Item.objects.create(pk=number, box=box))


CHANGES = {
    Note: {"amount": F("amount") + 1},
    NoteProxy: {"title": "changed"},
    Token: {"label": "changed"},
    Currency: {"name": "100 %s 'x'"},
    Animal: {"name": "changed"},
    Dog: {"breed": "changed"},
    Puppy: {"name": "changed", "breed": "changed", "weeks": 3},
    Category: {"name": "changed"},
    Task: {"title": "changed", "project": 2},
    Comment: {"text": "changed", "task": None},
    Product: {"price": 5},
    Seat: {"guest": "changed"},
    Numbered: {"number": F("number") + 100},
    Membership: {"role": "changed"},
    Project: {"name": "changed"},
}


WAYS = {
    "update": lambda rows, change: rows.update(**change),
    "touch": lambda rows, change: rows.touch("seen"),
    "touch at": lambda rows, change: rows.touch(at=NOW + timedelta(seconds=30)),
    "given": lambda rows, change: rows.update(updated_at=NOW + timedelta(seconds=20), **change),
    "given as expression": lambda rows, change: rows.update(
        updated_at=F("updated_at") + timedelta(seconds=1), **change
    ),
    "delete": lambda rows, change: rows.order_by().delete(),
}
CONTEXTS = {
    "no context": nullcontext,
    "reason": lambda: timestamp_context(reason="it's", actor="100 %", correlation_id="\\", a={"b": "ü"}),
    "stamped": lambda: stamped_at(NOW + timedelta(seconds=10)),
    "preserved": preserve_timestamps,
    "eventless": lambda: without_events(Note),
}


def many_bulk_creates():
    later = NOW + timedelta(seconds=9)
    yield "plain", lambda: Note.objects.bulk_create(Note(pk=pk) for pk in range(10, 20))
    yield "one by one", lambda: Note.objects.bulk_create([Note(pk=10), Note(pk=11)], batch_size=1)
    yield "given", lambda: Note.objects.bulk_create([Note(pk=10, created_at=NOW, updated_at=later), Note(pk=11)])
    yield (
        "all given alike",
        lambda: Note.objects.bulk_create(Note(pk=n, created_at=NOW, updated_at=later) for n in (10, 11)),
    )
    yield (
        "given apart in one stamp",
        lambda: Note.objects.bulk_create(
            Note(pk=n, created_at=NOW - timedelta(days=n), updated_at=later) for n in (10, 11)
        ),
    )
    yield "tokens", lambda: Token.objects.bulk_create([Token(pk=uuid.UUID(int=99)), Token(pk=uuid.UUID(int=98))])
    yield "text", lambda: Currency.objects.bulk_create([Currency(code="😀'"), Currency(code='"\\%')])
    yield "own ids", lambda: Product.objects.bulk_create([Product(pk=10, sku="é 'x'"), Product(pk=11, sku="%s")])
    yield "long ids", lambda: Spelled.objects.bulk_create([Spelled(pk=10, name="日" * 200)])
    yield "composite", lambda: Seat.objects.bulk_create([Seat(row=7, number=1), Seat(row=7, number=2)])
    yield "touching", lambda: Task.objects.bulk_create([Task(pk=10, project_id=1), Task(pk=11, project_id=2)])
    yield "ignoring", lambda: Note.objects.bulk_create([Note(pk=1), Note(pk=10)], ignore_conflicts=True)
    yield "upserting", lambda: upsert(Note, [Note(pk=1, amount=7), Note(pk=10, amount=7)], "amount")
    yield "upserting text", lambda: upsert(Currency, [Currency(code="é1'"), Currency(code="new")], "name")
    yield "upserting own ids", lambda: upsert(Product, [Product(pk=1, sku="s1"), Product(pk=10, sku="s10")], "price")
    yield "bulk update", lambda: Note.objects.bulk_update(change(Note.objects.order_by("pk"), amount=9), ["amount"])
    yield (
        "bulk update of a child",
        lambda: Puppy.objects.bulk_update(change(Puppy.objects.order_by("pk"), name="z"), ["name"]),
    )
    yield (
        "bulk update of text keys",
        lambda: Currency.objects.bulk_update(change(Currency.objects.order_by("pk"), name="z"), ["name"]),
    )
    yield "nobody", lambda: Note.objects.bulk_create([])


def upsert(model, rows, field):
    options = {"update_conflicts": True, "update_fields": [field]}
    if connection.features.supports_update_conflicts_with_target:
        options["unique_fields"] = ["pk"]
    return model.objects.bulk_create(rows, **options)


def change(rows, **values):
    rows = list(rows)
    for row in rows:
        for name, value in values.items():
            setattr(row, name, value)
    return rows

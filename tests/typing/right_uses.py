"""What a project writes, checked strictly; each type is the one its author expects."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar, assert_type

from django.contrib import admin
from django.db import models

from django_clean_timestamps.admin import TimestampAdminMixin
from django_clean_timestamps.context import stamped_at, timestamp_context
from django_clean_timestamps.eventlog import Page, changed_since
from django_clean_timestamps.events import TimestampEvent
from django_clean_timestamps.models import BaseTimestampEntity, TimestampManager, TimestampQuerySet
from django_clean_timestamps.services import (
    BaseTimestampRepository,
    BaseTimestampService,
    CleanupReport,
    KeptEntity,
)
from django_clean_timestamps.testing import FakeClock, capture_events, drain_all, use_clock
from tests.testapp.models import Note, Project

EntityT = TypeVar("EntityT", bound=BaseTimestampEntity)


class AuditedService(BaseTimestampService[EntityT], Generic[EntityT]):
    """A generic intermediate."""


class NoteRepository(BaseTimestampRepository[Note]):
    def find_titled(self, title: str) -> models.QuerySet[Note]:
        return self.rows().filter(title=title)


class NoteService(AuditedService[Note]):
    repository_class = NoteRepository

    def _validate_business_rules(self, data: Mapping[str, Any], entity: Note | None = None) -> None:
        if entity is not None:
            assert_type(entity.title, str)

    def _validate_deletion_allowed(self, entity: Note) -> None:
        assert_type(entity.amount, int)

    def _can_cleanup_entity(self, entity: Note) -> bool:
        return entity.title == ""


class NoteAdmin(TimestampAdminMixin, admin.ModelAdmin[Note]):
    list_display = ["title", "updated_at"]


def use_entities(note: Note) -> None:
    assert_type(Note.objects, TimestampManager[Note])
    assert_type(Note.objects.stale(timedelta(days=1)), TimestampQuerySet[Note])
    assert_type(Note.objects.stale(timedelta(days=1)).touch("reviewed"), int)
    assert_type(
        Note.objects.created_between(datetime.now(UTC), datetime.now(UTC)).filter(title="a").first(), Note | None
    )
    assert_type(Note.objects.get(pk=1), Note)
    assert_type(note.created_at, datetime)
    assert_type(note.updated_at, datetime)
    assert_type(note.get_age_seconds(), float | None)
    assert_type(note.get_domain_events(), list[TimestampEvent])
    note.touch()
    note.touch("reviewed", fields=["seen_at"], at=datetime.now(UTC), propagate=False, using="default")
    assert_type(Project.objects.updated_between(datetime.now(UTC), datetime.now(UTC)), TimestampQuerySet[Project])


async def use_entities_asynchronously(note: Note) -> None:
    await note.atouch("reviewed")
    assert_type(await Note.objects.aget(pk=1), Note)


def use_repositories() -> None:
    notes = NoteRepository(using="default")
    assert_type(notes.get_by_id(1), Note)
    assert_type(notes.save(Note()), Note)
    assert_type(notes.update(Note(), fields=["title"]), Note)
    assert_type(notes.touch_entity(1, "reviewed"), Note)
    assert_type(notes.delete(Note()), tuple[int, dict[str, int]])
    assert_type(notes.find_stale_entities(timedelta(days=1)), TimestampQuerySet[Note])
    assert_type(BaseTimestampRepository(Project).get_by_id(1), Project)


def use_services() -> None:
    service = NoteService()
    assert_type(service.create_entity({"title": "a"}), Note)
    assert_type(service.update_entity(1, {"title": "b"}, touch_reason="renamed"), Note)
    assert_type(service.get_entity(1), Note)
    assert_type(service.touch_entity(1, "reviewed"), Note)
    assert_type(service.repository, BaseTimestampRepository[Note])
    assert_type(service.find_stale_entities(timedelta(days=1)), TimestampQuerySet[Note])
    report = service.cleanup_stale_entities(timedelta(days=30), dry_run=False)
    assert_type(report, CleanupReport)
    assert_type(report.kept, tuple[KeptEntity, ...])


async def use_services_asynchronously() -> None:
    service = NoteService()
    assert_type(await service.acreate_entity({"title": "a"}), Note)
    assert_type([note async for note in service.find_stale_entities(timedelta(days=1))], list[Note])


def use_the_feed() -> None:
    page = changed_since(models=[Note, "testapp.project"], limit=100)
    assert_type(page, Page)
    assert_type(page.changes, tuple[TimestampEvent, ...])
    assert_type(page.cursor, str)
    assert_type(page.has_more, bool)
    assert_type(changed_since(page.cursor, models=[Note], using="default").changes[0].position, int | None)
    assert_type(drain_all(), int)


@timestamp_context(reason="imported", actor="importer", source="file")
def use_contexts(when: datetime) -> int:
    with stamped_at(when):
        return Note.objects.touch()


def use_helpers() -> None:
    with capture_events() as events, use_clock(FakeClock()) as clock:
        assert_type(clock.tick(60), datetime)
        assert_type(use_contexts(clock.now), int)
    assert_type(events, list[TimestampEvent])

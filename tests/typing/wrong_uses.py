"""What a type checker must report: where it does not, the comment that excuses the error is itself one."""

from datetime import timedelta

from django_clean_timestamps.eventlog import changed_since
from django_clean_timestamps.services import BaseTimestampRepository, BaseTimestampService
from django_clean_timestamps.testing import FakeClock
from tests.testapp.models import Box, Note, Project


class NoteService(BaseTimestampService[Note]):
    pass


class BoxService(BaseTimestampService[Box]):  # type: ignore[type-var]
    pass


class WrongHookService(BaseTimestampService[Note]):
    def _can_cleanup_entity(self, entity: Project) -> bool:  # type: ignore[override]
        return True


def misuse(note: Note, project: Project) -> None:
    note.touch(at="yesterday")  # type: ignore[arg-type]
    note.touch(5)  # type: ignore[arg-type]
    note.touch("reviewed", ("seen_at",))  # type: ignore[call-arg]
    note.is_newer_than("yesterday")  # type: ignore[arg-type]
    Note.objects.stale(7)  # type: ignore[arg-type]
    Note.objects.all().touched("reviewed")  # type: ignore[attr-defined]
    NoteService().create_entity(["title"])  # type: ignore[arg-type]
    NoteService().create_entity({"title": "a"}).name  # type: ignore[attr-defined]  # noqa: B018
    NoteService().cleanup_stale_entities(timedelta(days=1), True)  # type: ignore[call-arg]
    BaseTimestampRepository(Note).save(project)  # type: ignore[arg-type]
    BaseTimestampRepository(Box)  # type: ignore[type-var]
    changed_since(5)  # type: ignore[arg-type]
    changed_since().changes.append(1)  # type: ignore[attr-defined]
    FakeClock(now=0)  # type: ignore[arg-type]

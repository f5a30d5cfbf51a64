"""
What hears of the tracker's events: found here by its name, and called by a worker or by ``timestamps_relay``.

Two kinds of handler. The first writes to this database, in the transaction in which the package notes how far it has
come: each event counts once, whatever crashes. The second does something that no transaction can take back, so it has a
queue of its own and may run twice.
"""

from collections import defaultdict
from datetime import timedelta

from celery import shared_task

from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.events import TimestampEvent, TimestampUpdatedEvent
from tracker.models import Notification, Project, ProjectStatistics, Task


# A comment touches its task and a task its project, so the project's own events tell of everything in it, also of what
# is deleted by now. With replay="all" it begins with what the log still holds, instead of with what comes next; and
# on_dead="block" keeps later events of a project waiting where one could not be counted.
@on_timestamp(sender=Project, batch=True, replay="all", on_dead="block")
def count_changes(events: list[TimestampEvent]) -> None:
    """Count the changes in each project, and keep what the last one was."""
    events_of: dict[int, list[TimestampEvent]] = defaultdict(list)
    for event in events:
        events_of[int(event.entity_id)].append(event)
    # A project that is gone has no statistics any more.
    for project in Project.objects.filter(pk__in=events_of):
        # Read, changed and written without a lock: one worker at a time has these events, and what another one that was
        # overtaken has done is rolled back.
        statistics, _ = ProjectStatistics.objects.get_or_create(project=project)
        for event in events_of[project.pk]:
            # Events of one project come in order, so those up to here were counted before: in a replay they come again.
            if event.position > statistics.position:
                statistics.change_count += 1
                statistics.position = event.position
                statistics.last_changed_at = event.occurred_at
                statistics.last_reason = event.reason
                statistics.last_actor = event.actor
        statistics.save()


# Slow work on somebody else's server would hold up the worker that delivers. With send=True each event is sent to the
# Celery task, which may have its own queue, workers and limits. The order of the two lines matters.
@on_timestamp(TimestampUpdatedEvent, sender=Task, send=True)
@shared_task
def notify_assignee(event: TimestampUpdatedEvent) -> None:
    """Tell a task's assignee of a change that somebody else has made."""
    # What an import or a replay brings is no news.
    if event.replayed or event.recorded_at - event.occurred_at > timedelta(hours=1):
        return
    task = Task.objects.filter(pk=event.entity_id).first()
    if task is None or task.assignee_id is None or str(task.assignee_id) == event.actor:
        return
    # A broker may deliver twice, so what has no transaction needs a key: a mail would have it in its Message-ID.
    Notification.objects.get_or_create(
        event_id=event.event_id, defaults={"task": task, "recipient_id": task.assignee_id, "reason": event.reason}
    )

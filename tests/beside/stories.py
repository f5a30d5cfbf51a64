"""How the tests say what happened."""

from typing import Any


def told(events: list[Any]) -> list[tuple[str, str, str]]:
    """Return what each event says: its kind, the model and the key."""
    return [
        (event.event_type.removeprefix("timestamp_"), event.entity_type.partition(".")[2], event.entity_id)
        for event in events
    ]


def stamps(entity: Any) -> tuple[Any, Any]:
    """Return the stamps that the entity's row has now."""
    rows = type(entity)._base_manager.filter(pk=entity.pk)
    row: tuple[Any, Any] = rows.values_list("created_at", "updated_at").get()
    return row

"""Events to JSON-ready dicts and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from django_clean_timestamps.events.types import TimestampEvent

__all__ = ["decode", "encode"]


def encode(event: TimestampEvent) -> dict[str, Any]:
    """Return the event's type and fields, each as a value that JSON can hold."""
    encoded: dict[str, Any] = {"event_type": event.event_type}
    for name, (to_json, _) in _converters(type(event)).items():
        value = getattr(event, name)
        encoded[name] = None if value is None else to_json(value)
    return encoded


def decode(data: Mapping[str, Any], known: Mapping[str, type[TimestampEvent]]) -> TimestampEvent:
    """Return the event that ``encode`` described, of one of the known types; see :meth:`TimestampEvent.from_dict`."""
    fields = dict(data)
    event_type = fields.pop("event_type", None)
    kind = known.get(event_type) if isinstance(event_type, str) else None
    if kind is None:
        raise ValueError(f"event_type is {event_type!r}; wanted one of {', '.join(known)}")
    converters = _converters(kind)
    if unknown := sorted(fields.keys() - converters.keys()):
        raise ValueError(f"{event_type} has no field {', '.join(unknown)}; it has {', '.join(converters)}")
    values = {name: _decode_value(kind, name, value, converters[name]) for name, value in fields.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"{event_type} is incomplete: {error}") from error


Converter = tuple[Callable[[Any], Any], Callable[[Any], Any]]


def _decode_value(kind: type[TimestampEvent], name: str, value: Any, converter: Converter) -> Any:
    try:
        return None if value is None and name in _OPTIONAL else converter[1](value)
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{kind.event_type}.{name} cannot be {value!r}: {error}") from error


def _as_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text is wanted")
    return value


def _as_number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("a whole number is wanted")
    return value


def _as_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false is wanted")
    return value


def _as_mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("an object is wanted")
    return MappingProxyType(dict(value))


def _as_time(value: Any) -> datetime:
    time = datetime.fromisoformat(value)
    if time.utcoffset() is None:
        raise ValueError("a time with its offset is wanted")
    return time.astimezone(UTC)


_AS_TEXT: Final[Converter] = (str, _as_text)
_AS_TIME: Final[Converter] = (datetime.isoformat, _as_time)
_OPTIONAL: Final = frozenset({"position", "recorded_at", "old_timestamp"})
_BY_NAME: Final[dict[str, Converter]] = {
    "event_id": (str, UUID),
    "metadata": (dict, _as_mapping),
    "position": (int, _as_number),
    "replayed": (bool, _as_flag),
}


_of_kind: Final[dict[type[TimestampEvent], dict[str, Converter]]] = {}


def _converters(kind: type[TimestampEvent]) -> dict[str, Converter]:
    converters = _of_kind.get(kind)
    if converters is not None:
        return converters
    converters = _of_kind[kind] = {}
    for field in dataclasses.fields(kind):
        is_time = field.name.endswith(("_at", "_timestamp"))
        converters[field.name] = _BY_NAME.get(field.name, _AS_TIME if is_time else _AS_TEXT)
    return converters

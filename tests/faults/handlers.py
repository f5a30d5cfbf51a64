"""
The handlers of the processes that the faults happen to.

``FAULTS_HANDLERS`` describes them as JSON, and there are none unless it does; ``FAULTS_FOLDER`` is where they leave what
lasts without a database, and find what they are told meanwhile.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults import points

__all__ = ["Deed", "effects_file", "outage_file", "register_from_environment"]


def register_from_environment() -> None:
    """Register what ``FAULTS_HANDLERS`` says: ``[{"name": "ledger", "options": {"shards": 2}, …}]``."""
    from django_clean_timestamps.delivery import on_timestamp

    for facts in json.loads(os.environ.get("FAULTS_HANDLERS", "[]")):
        options = facts.pop("options", {})
        deed = Deed(folder=Path(os.environ["FAULTS_FOLDER"]), **facts)
        on_timestamp(sender="faults.counter", name=deed.name, **options)(_function_of(deed, **options))


def effects_file(folder: Path, name: str) -> Path:
    """Return where a handler that writes to no database leaves its effects, a line of JSON each."""
    return folder / f"{name}.effects"


def outage_file(folder: Path) -> Path:
    """Return the file that says, as long as it is there, that what every handler calls is down."""
    return folder / "outage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """
    What a handler does with an event.

    Attributes:
        name: The handler's.
        folder: Where it leaves and finds what is no row.
        outside: Whether its effect is a line in a file rather than a row.
        is_tallied: Whether each effect changes one row, too, which whoever comes after must wait for.
        misdeeds: What it does instead, by ``"entity:number"``: a key of ``MISDEEDS``.
        seconds: How long it takes.
    """

    name: str
    folder: Path
    outside: bool = False
    is_tallied: bool = False
    misdeeds: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0

    def do(self, event: Any) -> None:
        self._misbehave(event)
        points.meet("before", "the effect")
        if self.outside:
            append(effects_file(self.folder, self.name), self._effect(event))
        else:
            self._write(event)
        if self.seconds:
            time.sleep(self.seconds)
        points.meet("after", "the effect")

    def do_all(self, events: Sequence[Any]) -> None:
        """Do it with many at once, by one statement."""
        from tests.faults.app.models import Effect

        for event in events:
            self._misbehave(event)
        Effect.objects.bulk_create([Effect(handler=self.name, **self._effect(event)) for event in events])

    def _misbehave(self, event: Any) -> None:
        key = f"{event.entity_id}:{event.reason}"
        if (misdeed := self.misdeeds.get(key)) is not None:
            append(self.folder / f"{self.name}.attempts", key)
            MISDEEDS[misdeed](self._attempt(event))
        if outage_file(self.folder).exists():
            raise ConnectionError("nobody answers")

    def _write(self, event: Any) -> None:
        from django.db.models import F

        from tests.faults.app.models import Effect, Tally

        if self.is_tallied and not Tally.objects.filter(handler=self.name).update(count=F("count") + 1):
            Tally.objects.create(handler=self.name, count=1)
        Effect.objects.create(handler=self.name, **self._effect(event))

    @staticmethod
    def _effect(event: Any) -> dict[str, Any]:
        return {"entity": event.entity_id, "number": int(event.reason), "event_id": event.event_id.hex}

    def _attempt(self, event: Any) -> int:
        """Return which of the attempts that count this one is, from 1."""
        from django_clean_timestamps.delivery.models import ParkedEvent

        parked = ParkedEvent.objects.filter(handler=self.name, position=event.position)
        return parked.values_list("attempts", flat=True).first() or 1


def append(path: Path, value: Any) -> None:
    """Add a line, which is there once this returned even where the process dies right after."""
    with path.open("ab", buffering=0) as file:
        file.write(json.dumps(value).encode() + b"\n")


def _function_of(deed: Deed, *, batch: bool = False, **unused: Any) -> Callable[[Any], None]:
    def handle(event: Any) -> None:
        deed.do(event)

    def handle_batch(events: Any) -> None:
        deed.do_all(events)

    return handle_batch if batch else handle


def _fail(attempt: int) -> None:
    raise ValueError("it cannot be done")


def _fail_twice(attempt: int) -> None:
    if attempt <= 2:
        raise ValueError("it cannot be done yet")


def _fail_then_kill(attempt: int) -> None:
    if attempt > 1:
        points.kill_this_process()
    raise ValueError("it cannot be done")


def _end_process(attempt: int) -> None:
    os._exit(3)


def _kill_process(attempt: int) -> None:
    points.kill_this_process()


MISDEEDS: dict[str, Callable[[int], None]] = {
    "fail": _fail,
    "fail twice": _fail_twice,
    "fail, then kill": _fail_then_kill,
    "end": _end_process,
    "kill": _kill_process,
}

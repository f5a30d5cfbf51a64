"""What the checks say, in values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

__all__ = ["CheckResult", "Figure", "Health", "Level", "worst"]


class Level(StrEnum):
    """How well it is."""

    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"
    """It could not be asked."""
    CRITICAL = "critical"


_ORDER = tuple(Level)


def worst(levels: Iterable[Level]) -> Level:
    """Return the worst of the levels, ok for none: what could not be asked may be worse than a warning."""
    return max(levels, key=_ORDER.index, default=Level.OK)


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """
    A number behind a check.

    Attributes:
        name: Of what, in one or a few words joined by underscores.
        unit: ``events``, ``seconds``, ``processes`` and the like, in the plural.
        value: None where there is none.
    """

    name: str
    unit: str
    value: float | None

    @property
    def key(self) -> str:
        """Its key in JSON, where the unit is named too: ``oldest_seconds``."""
        return f"{self.name}_{self.unit}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """
    What one check found.

    Attributes:
        name: Which check; programs tell them apart by it.
        subject: What it was made of: a database alias, a handler's name; ``""`` where there is one in all.
        level: How well that is.
        text: In a sentence, in the active language. Holds nothing of what users wrote.
        remedy: What to do, ``""`` where nothing is.
        figures: The numbers behind it.
        checked_at: When that was, aware, in UTC, by this process's clock.
        detail: What an error said, on one line. It may name hosts, users and keys of rows, so it is for those alone who
            may see these.
    """

    name: str
    subject: str = ""
    level: Level
    text: str
    remedy: str = ""
    figures: tuple[Figure, ...] = ()
    checked_at: datetime = dataclasses.field(default_factory=lambda: datetime.now(UTC))
    detail: str = dataclasses.field(default="", repr=False)

    def to_dict(self, *, with_detail: bool = False) -> dict[str, Any]:
        """Return it as JSON has it; ``detail`` only where it is asked for."""
        return {
            "name": self.name,
            "subject": self.subject,
            "level": str(self.level),
            "text": self.text,
            "remedy": self.remedy,
            "figures": {figure.key: figure.value for figure in self.figures},
            "checked_at": self.checked_at.isoformat(),
            **({"detail": self.detail} if with_detail else {}),
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """
    What all checks found.

    Attributes:
        checks: In the order in which they were made.
        checked_at: When that was begun, aware, in UTC, by this process's clock.
        evaluation_age_seconds: How long ago alerts were last evaluated, by the database's clock; None where they never
            were, or nobody knows.
    """

    checks: tuple[CheckResult, ...]
    checked_at: datetime
    evaluation_age_seconds: float | None = None

    @property
    def level(self) -> Level:
        """The worst of the checks'."""
        return worst(check.level for check in self.checks)

    @property
    def is_complete(self) -> bool:
        """Whether everything could be asked."""
        return all(check.level is not Level.UNKNOWN for check in self.checks)

    def to_dict(self, *, with_detail: bool = False) -> dict[str, Any]:
        """Return it as JSON has it; ``detail`` of the checks only where it is asked for."""
        return {
            "level": str(self.level),
            "checked_at": self.checked_at.isoformat(),
            "evaluation_age_seconds": self.evaluation_age_seconds,
            "checks": [check.to_dict(with_detail=with_detail) for check in self.checks],
        }

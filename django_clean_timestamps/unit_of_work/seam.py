"""
The seam before COMMIT: five methods of a database connection that tell its unit of work what happens.

Django offers no hook there, ``Atomic.__exit__`` does not see manual commits, and ``execute_wrappers`` never see COMMIT.
The methods are put on each connection object at its first write; a project that prefers an ``ENGINE`` of its own mixes
:class:`UnitOfWorkMixin` into its ``DatabaseWrapper`` instead.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import MethodType
from typing import Any, Final, Protocol

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.connection import ConnectionProxy

__all__ = ["UNIT_ATTRIBUTE", "UnitOfWorkMixin", "behind_proxy", "install"]

UNIT_ATTRIBUTE: Final = "_clean_timestamps_unit"

Original = Callable[..., None]


class _Unit(Protocol):
    """What the seam tells a unit of work."""

    def finish(self) -> None: ...
    def committed(self) -> None: ...
    def rolled_back(self) -> None: ...
    def savepoint_released(self, number: int) -> None: ...
    def savepoint_rolled_back(self, number: int) -> None: ...
    def has_events(self) -> bool: ...


def _commit(connection: Any, original: Original) -> None:
    unit = _unit_of(connection)
    if unit is None:
        original()
        return
    # What Django checks first must fail before anything is written.
    connection.validate_thread_sharing()
    connection.validate_no_atomic_block()
    _finish_and(connection, unit, original)


def _rollback(connection: Any, original: Original) -> None:
    unit = _unit_of(connection)
    if unit is None:
        original()
        return
    connection.validate_thread_sharing()
    connection.validate_no_atomic_block()
    try:
        original()
    finally:
        # Where that failed, Django closes the connection.
        unit.rolled_back()


def _savepoint_commit(connection: Any, original: Original, sid: str | None) -> None:
    unit, number = _unit_of(connection), _number_of(sid)
    if unit is None or number is None:
        original(sid)
        return
    may_commit = _release_may_commit(connection)
    if may_commit:
        _finish_before_release(connection, unit, sid)
    original(sid)
    unit.savepoint_released(number)
    if may_commit and not connection.connection.in_transaction:
        unit.committed()


def _release_may_commit(connection: Any) -> bool:
    """
    Say whether the end of a savepoint can be a COMMIT.

    SQLite begins a transaction with a savepoint where none is open, as in manual mode, and commits with its release.
    """
    driver = connection.connection
    return connection.vendor == "sqlite" and driver is not None and driver.isolation_level is not None


def _finish_before_release(connection: Any, unit: _Unit, sid: str | None) -> None:
    # atomic() has taken the savepoint off already, and would take the end of a block in here for its own.
    connection.savepoint_ids.append(sid)
    try:
        unit.finish()
    except BaseException:
        connection.needs_rollback = False
        connection.savepoint_rollback(sid)
        raise
    finally:
        connection.savepoint_ids.pop()


def _savepoint_rollback(connection: Any, original: Original, sid: str | None) -> None:
    original(sid)
    if (unit := _unit_of(connection)) is not None and (number := _number_of(sid)) is not None:
        unit.savepoint_rolled_back(number)


def _set_autocommit(connection: Any, original: Original, autocommit: bool, *args: Any, **kwargs: Any) -> None:
    unit = _unit_of(connection)
    if unit is None or not autocommit or connection.autocommit or not unit.has_events():
        original(autocommit, *args, **kwargs)
        return
    # Leaving manual mode commits by itself on MariaDB and SQLite.
    connection.validate_thread_sharing()
    connection.validate_no_atomic_block()
    _finish_and(connection, unit, partial(original, autocommit, *args, **kwargs))


def _finish_and(connection: Any, unit: _Unit, commit: Callable[[], None]) -> None:
    try:
        unit.finish()
        commit()
    except BaseException:
        # Django rolls back after a DatabaseError only; after anything else it would go back to autocommit, which
        # commits the rows without their events on SQLite and MariaDB.
        _roll_back_or_close(connection)
        raise
    unit.committed()


def _unit_of(connection: Any) -> _Unit | None:
    return connection.__dict__.get(UNIT_ATTRIBUTE)  # type: ignore[no-any-return]


def _number_of(sid: str | None) -> int | None:
    """Return the number in ``s<thread>_x<number>``, by which Django counts the savepoints of a connection."""
    number = sid.rpartition("_x")[2] if sid else ""
    return int(number) if number.isdigit() else None


def _roll_back_or_close(connection: Any) -> None:
    try:
        connection.rollback()
    except BaseException:  # noqa: BLE001 - the error that led here is the one to raise
        with suppress(Exception):
            connection.close()


_TOLD: Final[dict[str, Callable[..., None]]] = {
    "commit": _commit,
    "rollback": _rollback,
    "savepoint_commit": _savepoint_commit,
    "savepoint_rollback": _savepoint_rollback,
    "set_autocommit": _set_autocommit,
}


def _as_method(name: str, tell: Callable[..., None]) -> Callable[..., None]:
    def method(self: Any, *args: Any, **kwargs: Any) -> None:
        # The class's method of this moment: another library may have replaced it since.
        tell(self, partial(getattr(type(self), name), self), *args, **kwargs)

    method.__name__ = name
    method.__qualname__ = f"UnitOfWork.{name}"
    return method


_METHODS: Final = {name: _as_method(name, tell) for name, tell in _TOLD.items()}


def install(connection: Any) -> None:
    """Put the methods on a connection object that does not have them; known by its own ``commit``, not by a flag."""
    own = connection.__dict__.get("commit")
    if getattr(own, "__func__", None) is _METHODS["commit"] or isinstance(connection, UnitOfWorkMixin):
        return
    for name, method in _METHODS.items():
        setattr(connection, name, MethodType(method, connection))


def behind_proxy(connection: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    """Return the connection itself where ``django.db.connection`` was given, which only passes calls on."""
    return connections[connection.alias] if isinstance(connection, ConnectionProxy) else connection


class UnitOfWorkMixin:
    """
    The seam as a base class, for a project's own database backend.

    Example:
        A module ``mybackend/base.py``, with ``ENGINE = "mybackend"``::

            from django.db.backends.postgresql import base
            from django_clean_timestamps.unit_of_work import UnitOfWorkMixin

            class DatabaseWrapper(UnitOfWorkMixin, base.DatabaseWrapper):
                pass
    """

    def commit(self) -> None:
        """Write what is pending, then commit; whatever goes wrong rolls back."""
        _commit(self, super().commit)  # type: ignore[misc]

    def rollback(self) -> None:
        """Roll back, and drop what the transaction recorded."""
        _rollback(self, super().rollback)  # type: ignore[misc]

    def savepoint_commit(self, sid: str | None) -> None:
        """Release a savepoint; what was recorded under it belongs to the level around it."""
        _savepoint_commit(self, super().savepoint_commit, sid)  # type: ignore[misc]

    def savepoint_rollback(self, sid: str | None) -> None:
        """Roll back to a savepoint, and drop what was recorded since."""
        _savepoint_rollback(self, super().savepoint_rollback, sid)  # type: ignore[misc]

    def set_autocommit(self, autocommit: bool, *args: Any, **kwargs: Any) -> None:
        """Change the mode; what is pending is written before the change commits it."""
        _set_autocommit(self, super().set_autocommit, autocommit, *args, **kwargs)  # type: ignore[misc]

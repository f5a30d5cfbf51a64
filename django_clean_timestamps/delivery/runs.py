"""The times of a handler's runs, told to the metrics a batch at a time."""

from __future__ import annotations

from time import perf_counter

from django_clean_timestamps import probes

__all__ = ["Runs"]


class Runs:
    """
    The runs of one handler in one batch.

    What succeeded is told once it stands, for a transaction that is tried again runs all of it again; a failure is told
    where its one event is put aside.

    Args:
        handler: The handler's name.
        using: The database that it writes to.
    """

    def __init__(self, handler: str, using: str) -> None:
        self._operation = f"handler:{handler}"
        self._using = using
        self.begin()

    def begin(self) -> None:
        """Begin a batch."""
        self._seconds: list[float] = []
        self._events = 0
        self._since = perf_counter()

    def end(self, events: int = 1) -> None:
        """Note the end of a run, of one event or a list of them; the next begins at once."""
        now = perf_counter()
        self._seconds.append(now - self._since)
        self._events += events
        self._since = now

    def tell_done(self) -> None:
        """Tell of the batch's runs, whose effects stand."""
        recorder, runs = probes.recorder, len(self._seconds)
        if recorder is None or not runs:
            return
        series = ("", self._operation, probes.OK, self._using)
        if runs == self._events:
            recorder.observe_many(series, self._seconds)
        else:
            recorder.observe(series, self._seconds[0], self._events)

    def tell_failed(self) -> None:
        """Tell of the run that was under way, and failed on one event."""
        if (recorder := probes.recorder) is not None:
            recorder.observe(("", self._operation, probes.FAILED, self._using), perf_counter() - self._since)

"""The recorder of this process, and what makes it write."""

from __future__ import annotations

import atexit
import os
from multiprocessing import parent_process
from multiprocessing.util import Finalize
from typing import Any, Final

from django.core.signals import request_finished, setting_changed

from django_clean_timestamps import probes
from django_clean_timestamps.conf import SETTING_NAME, get_settings
from django_clean_timestamps.exceptions import InvalidSettingError
from django_clean_timestamps.metrics.flushing import Flusher
from django_clean_timestamps.metrics.models import MetricWriter
from django_clean_timestamps.metrics.process import set_kind
from django_clean_timestamps.metrics.recorder import Recorder

__all__ = ["FLUSHER", "RECORDER", "begin_recording", "connect"]


_LAST: Final = -1
"""The priority of what is done at the end of a process of multiprocessing: after its own children have ended."""


def _wake() -> None:
    FLUSHER.start()
    if parent_process() is not None:
        # Where it was forked it ends past what atexit knows.
        Finalize(None, FLUSHER.finish, exitpriority=_LAST)


RECORDER: Final = Recorder(_wake)
FLUSHER: Final = Flusher(RECORDER)

_is_registered = False


def connect() -> None:
    """Have the probes tell the recorder, where ``METRICS`` is on; whatever it says later."""
    global _is_registered
    _obey_setting()
    if not _is_registered:
        _is_registered = True
        os.register_at_fork(after_in_child=_begin_anew)
        atexit.register(FLUSHER.finish)
    setting_changed.connect(_setting_changed, dispatch_uid="clean_timestamps metrics")
    request_finished.connect(FLUSHER.flush_here, dispatch_uid="clean_timestamps metrics")


def begin_recording(kind: MetricWriter.Kind) -> None:
    """Say what this process is, and let it be seen from now on, where ``METRICS`` is on."""
    set_kind(kind)
    if probes.recorder is not None and not RECORDER.is_awake:
        RECORDER.awake()


def _obey_setting() -> None:
    try:
        records = get_settings().metrics
    except InvalidSettingError:
        # A system check tells of all that is wrong, and must be able to run.
        records = False
    probes.connect(RECORDER if records else None)


def _setting_changed(*, setting: str, **_: Any) -> None:
    if setting == SETTING_NAME:
        _obey_setting()


def _begin_anew() -> None:
    RECORDER.begin()
    FLUSHER.begin()

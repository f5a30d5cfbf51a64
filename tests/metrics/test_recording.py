"""The recorder of the process, and the setting that turns it off."""

import pytest

from django_clean_timestamps import probes
from django_clean_timestamps.metrics import process, recording
from django_clean_timestamps.metrics.models import MetricWriter
from django_clean_timestamps.metrics.recording import FLUSHER, RECORDER, begin_recording


def test_it_records_unless_the_setting_says_no(settings):
    assert probes.recorder is RECORDER
    settings.CLEAN_TIMESTAMPS = {"METRICS": False}
    assert probes.recorder is None
    settings.DEBUG = True
    assert probes.recorder is None
    settings.CLEAN_TIMESTAMPS = {}
    assert probes.recorder is RECORDER


def test_with_settings_that_cannot_be_used_nothing_is_recorded(settings):
    settings.CLEAN_TIMESTAMPS = {"METRICS": "yes"}
    assert probes.recorder is None
    settings.CLEAN_TIMESTAMPS = {}
    assert probes.recorder is RECORDER


def test_to_connect_twice_is_to_connect_once(monkeypatch):
    registered = []
    monkeypatch.setattr(recording.atexit, "register", registered.append)
    monkeypatch.setattr(recording, "_is_registered", False)
    monkeypatch.setattr(recording.os, "register_at_fork", lambda **hooks: registered.append(hooks))
    recording.connect()
    recording.connect()
    assert registered == [{"after_in_child": recording._begin_anew}, FLUSHER.finish]


@pytest.fixture
def sleeping(monkeypatch):
    monkeypatch.setattr(process, "_kind", None)
    monkeypatch.setattr(RECORDER, "_is_awake", False)


def test_a_process_may_be_seen_before_it_observes_anything(sleeping):
    begin_recording(MetricWriter.Kind.RELAY)
    assert RECORDER.is_awake
    begin_recording(MetricWriter.Kind.RELAY)
    assert process._kind == "relay"


def test_not_where_nothing_is_recorded(sleeping, settings):
    settings.CLEAN_TIMESTAMPS = {"METRICS": False}
    begin_recording(MetricWriter.Kind.RELAY)
    assert not RECORDER.is_awake


@pytest.mark.parametrize("parent", [None, object()])
def test_a_process_of_multiprocessing_writes_at_its_end(sleeping, monkeypatch, parent):
    finalized = []
    monkeypatch.setattr(recording, "parent_process", lambda: parent)
    monkeypatch.setattr(recording, "Finalize", lambda obj, callback, exitpriority: finalized.append(callback))
    RECORDER.awake()
    assert finalized == ([] if parent is None else [FLUSHER.finish])


def test_a_fork_begins_with_nothing(monkeypatch):
    writer = RECORDER.writer
    RECORDER.observe(("", "handler:a", "ok", "default"), 1.0)
    recording._begin_anew()
    assert RECORDER.writer != writer
    assert not RECORDER.has_news

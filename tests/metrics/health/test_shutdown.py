"""That a process is about to end; SIGTERM in processes of their own."""

import os
import signal
import subprocess
import sys

import pytest

from django_clean_timestamps.metrics.health import shutdown

PROGRAM = """
import os, signal, sys
from django_clean_timestamps.metrics.health import begin_shutdown_at_sigterm
from django_clean_timestamps.metrics.health.shutdown import is_shutting_down

{before}
begin_shutdown_at_sigterm()
print(is_shutting_down())
os.kill(os.getpid(), signal.SIGTERM)
print(is_shutting_down())
"""


def run(before):
    program = PROGRAM.format(before=before)
    done = subprocess.run(
        [sys.executable, "-u", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.split()


def test_the_servers_own_handler_is_called_after_it():
    before = "signal.signal(signal.SIGTERM, lambda number, frame: print('server', number, is_shutting_down()))"
    assert run(before) == (0, ["False", "server", str(int(signal.SIGTERM)), "True", "True"])


def test_a_process_that_would_have_ended_ends():
    assert run("") == (-signal.SIGTERM, ["False"])


def test_it_ends_by_the_signal_itself(monkeypatch):
    sent = []
    monkeypatch.setattr(shutdown, "_has_begun", False)
    monkeypatch.setattr(shutdown.os, "kill", lambda *sending: sent.append((*sending, signal.getsignal(signal.SIGTERM))))
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        shutdown.begin_shutdown_at_sigterm()
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert sent == [(os.getpid(), signal.SIGTERM, signal.SIG_DFL)]
    assert shutdown.is_shutting_down()


def test_a_process_that_did_not_mind_goes_on():
    assert run("signal.signal(signal.SIGTERM, signal.SIG_IGN)") == (0, ["False", "True"])


@pytest.mark.parametrize("name", ["begin_shutdown", "begin_shutdown_at_sigterm"])
def test_nothing_of_django_is_needed_for_it(name):
    program = (
        f"from django_clean_timestamps.metrics.health import {name}; import sys; sys.exit('django.db' in sys.modules)"
    )
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=environment)

import threading

import pytest
from django.db.models import F

from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.operations import pause, reshard
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.delivery.registry import only_handlers
from django_clean_timestamps.management import resharding
from tests.eventlog.log import add_pending
from tests.management.ears import Ear, Terminal

RESHARD = "timestamps_reshard"
DEFAULT = Place("default", "default")
pytestmark = pytest.mark.django_db(databases=["default", "other"])


def ranges():
    return list(Subscription.objects.order_by("slot_from").values_list("slot_from", "slot_to"))


def test_the_new_shards_take_over_once_the_old_ones_have_arrived(run, rung, settings):
    settings.CLEAN_TIMESTAMPS = {"BATCH_SIZE": 2}
    ear = Ear()
    drain("default")
    add_pending(5)
    done = run(RESHARD, "testapp.ear", "4")
    assert (done.code, done.out, done.err) == (0, "default: testapp.ear: has 4 shards\n", "")
    assert ranges() == [(0, 63), (64, 127), (128, 191), (192, 255)]
    assert ear.reasons == ["1", "2", "3", "4", "5"]
    assert rung == ["default"]


def test_the_keys_of_json(rows):
    Ear()
    drain("default")
    names = {"database": "default", "using": "default", "handler": "testapp.ear"}
    done = {"shards": 2, "is_complete": True, "waits_for": None}
    assert rows(RESHARD, "testapp.ear", "2") == (0, [{**names, **done, "error": None}])


def test_progress_is_shown_on_a_terminal(run):
    Ear()
    add_pending(3)
    drain("default")
    Subscription.objects.update(cursor=0)
    done = run(RESHARD, "testapp.ear", "2", stderr=Terminal())
    assert done.err.startswith("\rdefault: testapp.ear: 3 positions before the new shards …\r")
    assert done.err.endswith(" \r")


def test_without_waiting_it_is_left_to_the_next_drain(run):
    Ear()
    drain("default")
    done = run(RESHARD, "testapp.ear", "2", "--no-wait")
    assert (done.code, done.out) == (0, "default: testapp.ear: will have 2 shards, and waits for the next drain\n")
    assert ranges() == [(0, 255)]
    drain("default")
    assert ranges() == [(0, 127), (128, 255)]


def test_so_many_as_there_are_already_is_nothing_to_do(run):
    Ear(shards=2)
    drain("default")
    before = list(Subscription.objects.values_list("epoch", flat=True))
    assert run(RESHARD, "testapp.ear", "2").out == "default: testapp.ear: has 2 shards\n"
    assert list(Subscription.objects.values_list("epoch", flat=True)) == before


def test_so_many_as_there_are_while_others_were_wanted_is_something_to_do(run):
    Ear(shards=2)
    drain("default")
    reshard("testapp.ear", DEFAULT, 4)
    assert run(RESHARD, "testapp.ear", "2").code == 0
    assert len(ranges()) == 2
    assert not Subscription.objects.exclude(shards_wanted=None).exists()


def test_a_number_out_of_bounds_is_refused(run):
    Ear()
    drain("default")
    done = run(RESHARD, "testapp.ear", "257")
    assert done.code == 1
    assert "257 shards are not possible" in done.err


class TestStanding:
    @pytest.fixture(autouse=True)
    def behind(self):
        self.ear = Ear()
        drain("default")
        add_pending(1)

    def wait(self, **changes):
        with only_handlers():
            # Something that has no handler is sequenced, so that the shard is not there yet.
            drain("default")
        Subscription.objects.update(**changes)

    def test_a_paused_one_is_not_waited_for(self, run):
        self.wait()
        pause("testapp.ear", DEFAULT)
        done = run(RESHARD, "testapp.ear", "2")
        assert done.code == 1
        assert done.out == (
            "default: testapp.ear: will have 2 shards, and waits for timestamps_resume, since it is paused\n"
        )

    def test_one_with_a_problem_is_not_waited_for(self, run):
        self.wait(problem="ValueError: down", state="backing_off")
        done = run(RESHARD, "testapp.ear", "2")
        assert done.code == 1
        assert done.out.endswith("waits for what keeps it from going on: ValueError: down\n")

    def test_one_whose_handler_is_gone_is_not_waited_for(self, run):
        self.wait()
        with only_handlers():
            done = run(RESHARD, "testapp.ear", "2")
        assert done.code == 1
        assert done.out.endswith("waits for its handler, which is gone from the code\n")

    def test_one_that_others_keep_is_given_up_after_a_lease_and_some_time(self, run, monkeypatch, settings):
        settings.CLEAN_TIMESTAMPS = {"LEASE_SECONDS": 0.3}
        monkeypatch.setattr(resharding, "PATIENCE_SECONDS", 0.2)
        self.wait()
        monkeypatch.setattr(resharding, "drain", lambda *it, **limits: drain("other"))
        done = run(RESHARD, "testapp.ear", "2")
        assert done.code == 1
        assert done.out.endswith("waits for others who have its lease\n")

    def test_the_time_counts_from_when_it_moved_last(self, run, monkeypatch, settings):
        settings.CLEAN_TIMESTAMPS = {"LEASE_SECONDS": 0.2}
        monkeypatch.setattr(resharding, "PATIENCE_SECONDS", 0.1)
        monkeypatch.setattr(resharding, "PAUSE_SECONDS", 0.2)
        add_pending(4)
        self.wait()

        calls = []

        def move_by_one(*it, **limits):
            calls.append(it)
            if len(calls) % 2:
                return drain("other")
            Subscription.objects.filter(cursor__lt=F("until")).update(cursor=F("cursor") + 1)
            return drain("default" if Subscription.objects.filter(cursor=F("until")).exists() else "other")

        monkeypatch.setattr(resharding, "drain", move_by_one)
        assert run(RESHARD, "testapp.ear", "2").out == "default: testapp.ear: has 2 shards\n"

    def test_a_signal_ends_the_waiting(self, run):
        stop = threading.Event()
        stop.set()
        reshard("testapp.ear", DEFAULT, 2)
        reason = resharding.wait_until_divided("testapp.ear", DEFAULT, stop=stop, progress=lambda left: None)
        assert reason == "the next drain"

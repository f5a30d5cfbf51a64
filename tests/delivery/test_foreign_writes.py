"""A handler that writes to another database than its cursor is in is told so, where developers see it."""

import warnings

import pytest
from django.core import mail
from django.test.utils import override_settings

from django_clean_timestamps.delivery import foreign_writes, on_timestamp
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.events import TimestampUpdatedEvent
from tests.delivery.deliveries import notes, parked
from tests.testapp.models import Note, Project

pytestmark = pytest.mark.usefixtures("log")


@pytest.fixture(autouse=True)
def _untold(monkeypatch):
    monkeypatch.setattr(foreign_writes, "_told", set())


def writing_to(alias, *, read=False, **options):
    @on_timestamp(TimestampUpdatedEvent, sender=Note, name="tests.heard", **options)
    def write(event):
        projects = Project.objects.using(alias)
        list(projects.all()) if read else projects.bulk_create([Project()])


def test_it_is_warned_once():
    writing_to("other")
    notes("a", "b")
    with pytest.warns(RuntimeWarning, match=r"tests\.heard writes to the database 'other', .*using='other'") as told:
        drain()
    assert len(told) == 1
    assert Project.objects.using("other").count() == 2
    assert parked() == []


@pytest.mark.parametrize("options", [{"using": "other"}, {"atomic": False}, {"read": True}])
def test_where_it_is_right_nothing_is_said(options):
    writing_to("other", **options)
    notes("a")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drain()
    assert parked(using=options.get("using", "default")) == []


def test_the_subscription_lives_where_the_handler_writes():
    writing_to("other", using="other")
    notes("a")
    drain()
    [row] = Subscription.objects.using("other").all()
    assert (row.log_alias, row.cursor) == ("default", 2)
    assert not Subscription.objects.using("default").exists()


def test_in_production_nobody_watches(monkeypatch):
    monkeypatch.delattr(mail, "outbox")
    writing_to("other")
    notes("a")
    with override_settings(DEBUG=False), warnings.catch_warnings():
        warnings.simplefilter("error")
        drain()
    assert Project.objects.using("other").count() == 1

import pytest
from django.contrib.auth.models import Permission, User
from django.test import override_settings

from tests.eventlog.conftest import committing  # noqa: F401 - a fixture


@pytest.fixture(autouse=True, scope="module")
def _site():
    """Switch to the site once a module: Django reads a hundred addresses anew at each switch."""
    with override_settings(ROOT_URLCONF="tests.admin.site"):
        yield


@pytest.fixture
def admin_client(client, db):
    """Return a client that a superuser is logged in with."""
    client.user = User.objects.create_superuser("ada")
    client.force_login(client.user)
    return client


@pytest.fixture
def viewer_client(client, db):
    """Return a client of a user who may view everything and change nothing."""
    client.user = User.objects.create_user("eve", is_staff=True)
    client.user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(client.user)
    return client


@pytest.fixture
def note_client(client, db):
    """Return a client of a user who may view the event log and notes, and nothing else."""
    client.user = User.objects.create_user("ann", is_staff=True)
    client.user.user_permissions.set(Permission.objects.filter(codename__in=["view_event", "view_note"]))
    client.force_login(client.user)
    return client


@pytest.fixture
def manager_client(viewer_client):
    """Return a client of a user who may view everything and manage deliveries."""
    viewer_client.user.user_permissions.add(Permission.objects.get(codename="manage_deliveries"))
    return viewer_client


@pytest.fixture
def rung(monkeypatch):
    """Return the logs that the doorbell was rung for by an action."""
    found = []
    for module in ("subscriptions", "parked_actions"):
        monkeypatch.setattr(f"django_clean_timestamps.admin.{module}.ring", found.append)
    return found

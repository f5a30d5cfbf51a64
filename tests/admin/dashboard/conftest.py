import pytest
from django.contrib.auth.models import Permission, User

from tests.admin.dashboard.figures import (
    BULK,
    FAILED,
    HANDLED,
    NOTES,
    REFUSED,
    TASKS,
    WRITTEN,
    observe,
    roll_up,
    sample,
)
from tests.metrics.figures import number_of


@pytest.fixture
def log_in(client, db):
    """Return what logs a user with these permissions in and returns the client."""

    def log_in(*codenames):
        client.user = User.objects.create_user("eve", is_staff=True)
        client.user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        assert client.user.user_permissions.count() == len(codenames)
        client.force_login(client.user)
        return client

    return log_in


@pytest.fixture
def metrics_client(log_in):
    """Return the client of a user who may see the dashboard and nothing else."""
    return log_in("view_metrics")


@pytest.fixture
def figures(db):
    """Make half an hour of figures, and samples of now."""
    number_of(("testapp.note", "touch", "ok", "default"))
    for ago in (25, 24, 12, 11, 5, 4):
        observe(NOTES, [0.001] * 40 + [0.004] * 10, ago=ago)
        observe(TASKS, [0.002] * 20, ago=ago)
        observe(BULK, [0.02], ago=ago, rows=50)
        observe(HANDLED, [0.03] * 3, ago=ago)
        observe(WRITTEN, [0.0005] * 30, ago=ago, rows=120)
    observe(REFUSED, [0.0005], ago=11)
    observe(FAILED, [0.5], ago=11)
    sample(handler="", waiting=2, oldest=0.4)
    sample()
    sample(handler="shop.index", waiting=900, oldest=3_000, state="paused")
    roll_up()

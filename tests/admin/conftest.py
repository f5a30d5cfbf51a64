import pytest
from django.contrib.auth.models import Permission, User


@pytest.fixture(autouse=True)
def _site(settings):
    settings.ROOT_URLCONF = "tests.admin.site"


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

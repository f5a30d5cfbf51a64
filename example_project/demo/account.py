"""The demo's superuser."""

from django.contrib.auth import get_user_model

USERNAME = PASSWORD = "demo"


def ensure_superuser() -> str:
    """Make the user ``demo`` a superuser, and return how to log in as one sentence."""
    model = get_user_model()
    user, is_new = model._default_manager.get_or_create(username=USERNAME)
    user.is_staff = user.is_superuser = True
    if is_new or not user.has_usable_password():
        user.set_password(PASSWORD)
    user.save()
    if user.check_password(PASSWORD):
        return f"Log in as {USERNAME} with the password {PASSWORD}."
    return f"Log in as {USERNAME} with the password that it was given."

from django.apps import AppConfig


class OtherAppConfig(AppConfig):
    """Its models live on the database alias ``other``."""

    name = "tests.otherapp"

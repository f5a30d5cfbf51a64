from django.apps import AppConfig


class BesideAppConfig(AppConfig):
    """Its models are entities of other packages too."""

    name = "tests.besideapp"

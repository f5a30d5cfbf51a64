"""The tables of the tests, as a server keeps them that vacuums by itself."""

from django.db import connections
from django.db.models import Model


def vacuum(*models: type[Model], using: str = "default") -> None:
    """
    Forget the rows that tests have deleted, outside of a transaction.

    PostgreSQL reads over them, where nobody vacuums, and after thousands of tests that takes ten times as long as the
    test itself.
    """
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            for model in models:
                cursor.execute(f"VACUUM {model._meta.db_table}")

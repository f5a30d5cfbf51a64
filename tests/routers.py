from typing import Any

from django.db.models import Model


class OtherAppRouter:
    """
    Send the models of ``otherapp`` to the alias ``other``, where they alone say so.

    Every other model is migrated on both aliases, so that ``using="other"`` works with it too.
    """

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return "other" if model._meta.app_label == "otherapp" else None

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        return self.db_for_read(model, **hints)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return db == "other" if app_label == "otherapp" else None

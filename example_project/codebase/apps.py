"""The codebase app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CodebaseConfig(AppConfig):
    """Repositories, their files and the replay of a history."""

    name = "codebase"
    verbose_name = _("Code base")

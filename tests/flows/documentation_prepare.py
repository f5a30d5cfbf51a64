"""Check a page's project and bring its database up to its models, in one process: starting Django takes longest."""

import importlib
import sys

import django
from django.core.management import call_command


def main(has_models: bool) -> None:
    django.setup()
    call_command("check")
    if has_models:
        call_command("makemigrations", interactive=False, verbosity=0)
        importlib.invalidate_caches()
    call_command("migrate", interactive=False, verbosity=0)


if __name__ == "__main__":
    main("models" in sys.argv)

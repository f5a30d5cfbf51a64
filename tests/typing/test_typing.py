"""The package's types, as a user's strict type checker sees them."""

from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


@pytest.fixture(scope="module")
def check():
    api = pytest.importorskip("mypy.api")
    pytest.importorskip("mypy_django_plugin.main")

    def run(*program):
        cache = ROOT / ".mypy_cache" / "users"
        return api.run(["--config-file", str(HERE / "mypy.ini"), "--cache-dir", str(cache), *program])

    return run


@pytest.mark.parametrize("name", ["right_uses.py", "wrong_uses.py"])
def test_a_strict_type_checker_agrees_with(name, check):
    output, errors, _status = check(str(HERE / name))
    assert (output.strip(), errors) == ("Success: no issues found in 1 source file", "")


def test_a_service_without_its_model_is_reported(check):
    text = "from django_clean_timestamps.services import BaseTimestampService as S\nclass TaskService(S): ..."
    assert 'Missing type arguments for generic type "BaseTimestampService"' in check("-c", text)[0]


def test_types_are_revealed_as_a_user_reads_them(check):
    text = "from tests.testapp.models import Task\nreveal_type(Task.objects.stale)\nreveal_type(Task().touch())"
    output = check("-c", text)[0]
    assert "TimestampQuerySet[tests.testapp.models.Task" in output
    assert 'Revealed type is "None"' in output

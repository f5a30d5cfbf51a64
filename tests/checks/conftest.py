from tests.eventlog.conftest import committing  # noqa: F401 - a fixture

from tests.delivery.conftest import longest_waits  # noqa: F401 - for all tests here: none may be retried by chance

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _processes_without_coverage() -> Iterator[None]:
    """
    Let the processes that the flows start run untraced.

    They play what the tests of each part have shown already, and tracing adds half to the time of what is mostly the
    start of hundreds of processes.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield

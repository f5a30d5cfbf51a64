from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contrib.broker import connected


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "broker"


@pytest.fixture
def messages(folder: Path) -> Path:
    """The folder of the messages, which the broker makes."""
    return folder / "messages"


@pytest.fixture
def channel(folder: Path) -> Iterator[Any]:
    with connected(folder) as connection:
        yield connection.default_channel

"""How a check's id is spelled."""

from typing import Final

__all__ = ["NAMED"]

NAMED: Final = "clean_timestamps.{}"

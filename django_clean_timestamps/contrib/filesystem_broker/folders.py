"""Which folders a connection uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kombu.exceptions import ChannelError

__all__ = ["Folders"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """
    The folders of one connection, all absolute.

    Args:
        data_in: Messages are read from here.
        data_out: Messages are written to here.
        control: Which queues are bound to which exchanges.
        processed: Where acknowledged messages are kept, ``None`` where they are deleted.
    """

    data_in: Path
    data_out: Path
    control: Path
    processed: Path | None

    @classmethod
    def of(cls, options: Mapping[str, Any], *, host: str | None, path: str | None) -> Folders:
        """
        Return the folders that the ``transport_options`` name, and those below the URL's folder where they name none.

        Without either they are kombu's, where the process runs: ``data_in``, ``data_out``, ``control``, ``processed``.

        Raises:
            ValueError: The URL's folder is not absolute.
        """
        if host not in {None, "", "localhost"}:
            raise ValueError(
                f"The folder in a broker's URL is absolute, after three slashes; {host!r} stands after two"
            )
        base = Path("/", path.lstrip("/")) if path and path.strip("/") else None

        def folder(option: str, *, in_url: str, plain: str) -> Path:
            return Path(options.get(option, plain if base is None else base / in_url)).absolute()

        processed = folder("processed_folder", in_url="processed", plain="processed")
        return cls(
            data_in=folder("data_folder_in", in_url="messages", plain="data_in"),
            data_out=folder("data_folder_out", in_url="messages", plain="data_out"),
            control=folder("control_folder", in_url="control", plain="control"),
            processed=processed if options.get("store_processed") else None,
        )

    def make(self) -> None:
        """
        Make the folders that are missing.

        Raises:
            ChannelError: One of them cannot be made.
        """
        for folder in (self.data_in, self.data_out, self.control, self.processed or self.control):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ChannelError(f"The broker's folder {folder} cannot be made: {error.strerror}") from error

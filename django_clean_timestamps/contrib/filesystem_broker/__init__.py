"""
A broker for Celery that is a folder: ``atomicfs://``, for development, demonstrations and one machine.

Importing this module tells kombu of the scheme. It needs no settings and no models, so a settings file may import it.

- A message is written under another name and renamed when it is whole: no consumer sees half of one.
- Taking a message is a rename too, so one consumer gets it. It is deleted when it is acknowledged.
- A consumer that ends without acknowledging gives its messages back; one that is killed has them given back by the next
  consumer that starts, or by one that runs, within seconds. There is no visibility timeout: a living consumer keeps
  what it took for as long as it lives, a task with a countdown of a day too. So a task that ran half-way runs again if
  it acknowledges late, as with RabbitMQ.
- What is no message is put aside, said once in the log, and not looked at again.
- A queue that is to be deleted with its last consumer is, also where that was killed.

Files are flushed to the operating system, not to the disk: killing processes loses nothing, a power cut can lose what
was published in the last seconds.
"""

import os
from pathlib import Path
from typing import Final
from urllib.parse import quote

from kombu.transport import TRANSPORT_ALIASES

__all__ = ["SCHEME", "broker_url"]

SCHEME: Final = "atomicfs"

# By name, so that importing this costs nothing where another broker is used after all.
TRANSPORT_ALIASES[SCHEME] = "django_clean_timestamps.contrib.filesystem_broker.transport:Transport"


def broker_url(folder: str | os.PathLike[str]) -> str:
    """
    Return the ``broker_url`` of a broker that keeps everything in one folder, which is made when it is first used.

    Raises:
        ValueError: The folder is not absolute. A relative one would be another for each working directory.
    """
    path = Path(folder)
    if not path.is_absolute():
        raise ValueError(
            f"The folder of an {SCHEME}:// broker must be absolute, such as BASE_DIR / 'broker', not {path}"
        )
    # Celery warns of a URL without a host.
    return f"{SCHEME}://localhost{quote(str(path))}"

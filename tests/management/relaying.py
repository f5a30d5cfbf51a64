"""What the tests of ``timestamps_relay`` share."""

import pytest

RELAY = "timestamps_relay"
BOTH = pytest.mark.django_db(databases=["default", "other"])

"""A crowd's process tries again after a loss, and after nothing else: a mistake in a transaction must fail its loop."""

import pytest

pytestmark = pytest.mark.faults

# psycopg refuses the cursor before Django looks at the transaction.
NOTICED_AS = {"postgresql": "OperationalError", "mariadb": "TransactionManagementError"}


def test_a_connection_that_is_lost_at_a_savepoint_is_tolerated_with_the_query_that_notices_it(server_database):
    outcome = server_database.run("query_after_a_savepoint", lost=True)
    assert [text.partition(":")[0] for text in outcome["tolerated"]] == [NOTICED_AS[server_database.name]]
    assert outcome["raised"] is None
    assert outcome["goes_on"]


def test_a_query_in_a_transaction_that_the_process_broke_itself_is_not_tolerated(server_database):
    outcome = server_database.run("query_after_a_savepoint", lost=False)
    assert outcome == {"tolerated": [], "raised": "TransactionManagementError", "goes_on": True}


def test_a_server_that_is_down_is_tolerated(server_database):
    server_database.server.kill()
    [noted] = server_database.run("connect_in_vain")
    assert noted.startswith("OperationalError")

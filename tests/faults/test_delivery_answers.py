"""The answer to a COMMIT that is lost on its way: it is done, and whoever sent it cannot know."""

import pytest

from tests.faults.loops import run_delivery_loop
from tests.faults.proxies import COMMITS, LossyProxy, ProxiedDatabase

pytestmark = pytest.mark.faults


@pytest.fixture
def lossy(server_database):
    with LossyProxy(server_database.server.port, COMMITS[server_database.name]) as proxy:
        yield ProxiedDatabase(server_database, proxy)


def test_a_batch_whose_commit_was_not_answered_is_not_handled_again(lossy, delivery_on):
    delivery = delivery_on(lossy, {"name": "ledger", "is_tallied": True})
    delivery.begin()
    delivery.run("write", count=14)
    # What has its positions: the first COMMIT is that of the batch.
    delivery.run("sequence")
    lossy.proxy.lose()
    delivery.deliver_all(tolerant=True)
    assert lossy.proxy.cut_count == 1
    assert delivery.judge().findings == []


@pytest.mark.parametrize("nth", range(1, 9))
def test_whichever_answer_is_lost_while_an_event_fails_and_is_retried_nothing_is_lost_or_doubled(
    lossy, delivery_on, nth
):
    delivery = delivery_on(lossy, {"name": "ledger", "is_tallied": True})
    delivery.begin()
    key = lossy.value("SELECT min(id) FROM faults_counter")
    delivery.handlers[0]["misdeeds"] = {f"{key}:2": "fail twice"}
    delivery.run("count_up", key=key, times=3)
    delivery.run("write", count=14)
    lossy.proxy.lose(nth)
    assert delivery.deliver_all(tolerant=True)["dead"] == []
    assert lossy.proxy.cut_count == 1
    assert delivery.judge().findings == []


def test_an_effect_outside_whose_cursor_s_commit_was_not_answered_repeats_once_at_most(lossy, delivery_on):
    delivery = delivery_on(lossy, {"name": "letters", "outside": True, "options": {"atomic": False}})
    delivery.begin()
    delivery.run("write", count=14)
    delivery.run("sequence")
    lossy.proxy.lose(3)
    delivery.deliver_all(tolerant=True)
    assert lossy.proxy.cut_count == 1
    ids = [effect.event_id for effect in delivery.effects("letters")]
    assert len(ids) - len(set(ids)) <= 1
    assert delivery.judge().findings == []


def test_losing_answers_under_load_loses_doubles_and_reorders_nothing(lossy, delivery_on):
    handlers = [{"name": "ledger", "is_tallied": True}, {"name": "halves", "options": {"shards": 2}}]
    run_delivery_loop(
        f"delivery, answers lost, {lossy.name}",
        delivery_on(lossy, *handlers),
        strike=lossy.proxy.lose,
        every=(0.02, 0.2),
        kills=False,
    )
    assert lossy.proxy.cut_count > 3

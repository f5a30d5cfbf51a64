"""django-lifecycle: its hooks run around a save that stamps, and not around a touch."""

import pytest
from django.test import TestCase
from django_lifecycle import bypass_hooks_for

from django_clean_timestamps.testing import capture_events
from tests.beside.stories import stamps, told
from tests.besideapp.models import ArticleFirst, ArticleLast

pytestmark = pytest.mark.django_db

both_orders = pytest.mark.parametrize("model", [ArticleFirst, ArticleLast])


def committed(function):
    """Run the function as in a transaction of its own: lifecycle forgets a change at COMMIT."""
    with TestCase.captureOnCommitCallbacks(execute=True):
        return function()


@pytest.fixture
def article(model):
    article = committed(lambda: model.objects.create(name="News"))
    article.called.clear()
    return article


@both_orders
def test_the_hooks_of_a_creation_run(model):
    article = model.objects.create(name="News")
    assert article.called == ["after_save", "after_create"]
    assert model.objects.get().slug == "news"


@both_orders
def test_the_hooks_of_an_update_run(model, article):
    article.save()
    assert article.called == ["before_update", "after_save"]


@both_orders
def test_a_save_with_hooks_is_stamped_and_recorded_once(model, article):
    before = article.updated_at
    with capture_events() as events:
        article.save()
    assert told(events) == [("updated", model._meta.model_name, str(article.pk))]
    assert stamps(article) == (article.created_at, article.updated_at)
    assert article.updated_at > before


@both_orders
def test_a_save_within_a_hook_is_a_write_of_its_own(model, article):
    before = article.updated_at
    article.name = "Old news"
    with capture_events() as events:
        article.save()
    assert told(events) == [("updated", model._meta.model_name, str(article.pk))] * 2
    assert events[0].old_timestamp == before
    assert events[1].old_timestamp == events[0].new_timestamp < events[1].new_timestamp
    assert stamps(article)[1] == article.updated_at == events[1].new_timestamp
    assert model.objects.get().renames == 1


@both_orders
def test_a_touch_runs_no_hook(model, article):
    article.touch("reviewed")
    model.objects.all().touch("reviewed")
    assert article.called == []
    assert model.objects.get().renames == 0


@both_orders
def test_a_save_that_skips_hooks_stamps(model, article):
    before = article.updated_at
    article.save(skip_hooks=True)
    assert article.called == []
    assert stamps(article)[1] == article.updated_at > before


@both_orders
def test_a_save_with_bypassed_hooks_stamps(model, article):
    before = article.updated_at
    with bypass_hooks_for([model]):
        article.save()
    assert article.called == []
    assert stamps(article)[1] > before


@both_orders
def test_the_hooks_of_a_deletion_run_and_it_is_recorded_once(model, article):
    key = str(article.pk)
    with capture_events() as events:
        assert article.delete() == (1, {model._meta.label: 1})
    assert told(events) == [("deleted", model._meta.model_name, key)]
    assert article.called == ["after_delete"]


@both_orders
def test_lifecycle_sees_no_change_after_a_committed_save(model, article):
    article.name = "Old news"
    committed(article.save)
    assert not article.has_changed("name")
    assert not article.has_changed("updated_at")


@both_orders
def test_lifecycle_takes_the_stamp_of_a_touch_for_a_change_until_the_next_save(model, article):
    # Its initial state is kept by __init__, save() and refresh_from_db(), without a hook for other writes.
    article.touch()
    assert article.has_changed("updated_at")
    article.refresh_from_db()
    assert not article.has_changed("updated_at")


@both_orders
def test_a_bulk_create_stamps_and_runs_no_hooks(model):
    # As with any bulk write in Django.
    articles = model.objects.bulk_create([model(name="a"), model(name="b")])
    assert [article.called for article in articles] == [[], []]
    assert len({stamps(article) for article in articles}) == 1

"""Rows of metrics say what they are, wherever they are shown as they are."""

import pytest
from django.apps import apps

from django_clean_timestamps.metrics import models

FACTS = {
    "series_id": 7,
    "start": 60,
    "hour": 3_600,
    "tier": 600,
    "writer_id": 5,
    "kind": "web",
    "host": "shop-1",
    "handler": "shop.mail",
    "reason": "import",
    "entity_id": "12",
    "seconds": 0.5,
    "owner": 5,
    "model": "shop.order",
    "operation": "update",
    "outcome": "ok",
    "database": "default",
    "count": 3,
    "id": 9,
}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MetricSeries", "shop.order update ok (default)"),
        ("MetricWriter", "web on shop-1 (9)"),
        ("MetricMinute", "series 7 at 60 by 5"),
        ("MetricRollup", "series 7 from 60 for 600 s"),
        ("MetricTotal", "series 7"),
        ("MetricSample", "web shop.mail at 60"),
        ("MetricReason", "import (3)"),
        ("MetricExample", "0.500000 s, 12"),
        ("MetricLease", "held by 5"),
    ],
)
def test_each_row_says_what_it_is(name, text):
    model = getattr(models, name)
    fields = {field.attname for field in model._meta.concrete_fields}
    assert str(model(**{key: value for key, value in FACTS.items() if key in fields})) == text


def test_every_model_is_among_these():
    assert {model.__name__ for model in apps.get_app_config("clean_timestamps").get_models()} >= {
        name for name in models.__all__ if name.startswith("Metric")
    }

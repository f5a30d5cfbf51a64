import django
import pytest
from django.core import checks

from django_clean_timestamps.checks.metrics import METRICS_MODELS, check_metrics, check_metrics_database
from django_clean_timestamps.metrics.alerts.models import AlertState
from django_clean_timestamps.metrics.models import MetricLease, MetricRollup
from tests.eventlog.log import dropped


class NoMetricsOnOther:
    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return not (db == "other" and model_name in {model._meta.model_name for model in METRICS_MODELS})


class NoAlertsOnOther:
    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return not (db == "other" and model_name == "alertstate")


def found(settings, *, router=None, **wanted):
    settings.CLEAN_TIMESTAMPS = wanted
    if router is not None:
        settings.DATABASE_ROUTERS = [f"tests.checks.test_metrics_checks.{router.__name__}"]
    return [(message.id.rpartition(".")[2], message.level) for message in check_metrics(None)]


def test_all_tables_are_looked_for():
    from django.apps import apps

    names = {model for model in apps.get_app_config("clean_timestamps").get_models() if not model._meta.proxy}
    assert set(METRICS_MODELS) == {model for model in names if model._meta.model_name.startswith(("metric", "alert"))}


class TestSettings:
    def test_those_of_this_project_are_well(self):
        assert check_metrics(None) == []

    def test_bad_ones_are_told_by_their_own_check_alone(self, settings):
        assert found(settings, METRIC=True) == []
        assert check_metrics_database(None, databases=["default"]) == []

    def test_each_thing_wrong_with_the_rules_is_an_error(self, settings):
        alerts = {"latency": {"warning": -1}, "dead_event": {"warning": 3}}
        assert found(settings, ALERTS=alerts) == [("E050", checks.ERROR)] * 2
        assert found(settings, ALERTS=alerts, METRICS=False) == [
            ("E050", checks.ERROR),
            ("E050", checks.ERROR),
            ("W056", checks.WARNING),
        ]
        messages = [message.msg for message in check_metrics(None)]
        assert "CLEAN_TIMESTAMPS['ALERTS']['latency']['warning'] is -1; wanted: a number (ms)" in messages[0]
        assert "unknown rule 'dead_event'" in messages[1]

    def test_an_alias_that_there_is_not_is_an_error(self, settings):
        assert found(settings, METRICS_DATABASE="metrics") == [("E051", checks.ERROR)]
        (message,) = check_metrics(None)
        assert message.msg == (
            "CLEAN_TIMESTAMPS['METRICS_DATABASE'] is 'metrics', which DATABASES does not have: no figures are kept."
        )
        assert message.hint == "Name one of 'default', 'other', or leave it out for 'default'."
        assert found(settings, METRICS_DATABASE="metrics", METRICS=False) == []

    @pytest.mark.parametrize(
        ("router", "labels"),
        [
            (
                NoMetricsOnOther,
                "clean_timestamps.MetricSeries, clean_timestamps.MetricWriter, clean_timestamps.MetricMinute and 9 more",
            ),
            (NoAlertsOnOther, "clean_timestamps.AlertState"),
        ],
    )
    def test_tables_that_may_not_be_there_are_an_error(self, settings, router, labels):
        assert found(settings, METRICS_DATABASE="other", router=router) == [("E052", checks.ERROR)]
        (message,) = check_metrics(None)
        assert f"({labels})" in message.msg
        assert message.hint.startswith("Let allow_migrate('other', 'clean_timestamps') return True or None")
        assert found(settings, router=router) == []

    def test_alerts_without_metrics_are_warned_of(self, settings):
        assert found(settings, METRICS=False) == []
        assert found(settings, METRICS=False, ALERTS={"latency": None}) == [("W056", checks.WARNING)]


class TestMail:
    @pytest.fixture(autouse=True)
    def _sender(self, settings):
        settings.DEFAULT_FROM_EMAIL = "shop@example.org"

    def test_goes_out_where_all_is_set(self, settings):
        assert found(settings, ALERT_MAIL_TO=["ops@example.org"]) == []

    @pytest.mark.parametrize("address", ["ops", "Ops <ops@example.org>", "ops@example.org\n", "a@b.org, c@d.org"])
    def test_what_is_no_address_is_an_error(self, settings, address):
        assert found(settings, ALERT_MAIL_TO=["boss@example.org", address]) == [("E053", checks.ERROR)]
        assert repr(address) in check_metrics(None)[0].msg

    @pytest.mark.skipif(django.VERSION >= (6, 1), reason="from Django 6.1 on MAILERS says it")
    def test_one_that_goes_nowhere_is_warned_of(self, settings):
        settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
        assert found(settings, ALERT_MAIL_TO=["ops@example.org"]) == [("W054", checks.WARNING)]
        assert found(settings) == []

    def test_a_newer_django_says_it_elsewhere(self, settings):
        settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.dummy.EmailBackend"}}
        assert found(settings, ALERT_MAIL_TO=["ops@example.org"]) == [("W054", checks.WARNING)]
        settings.MAILERS = {}
        assert found(settings, ALERT_MAIL_TO=["ops@example.org"]) == []

    def test_from_nobody_is_warned_of(self, settings):
        settings.DEFAULT_FROM_EMAIL = "webmaster@localhost"
        assert found(settings, ALERT_MAIL_TO=["ops@example.org"]) == [("W055", checks.WARNING)]


class TestTables:
    @pytest.fixture(autouse=True)
    def _changing_tables(self, django_db_setup, django_db_blocker):
        with django_db_blocker.unblock():
            yield

    @pytest.mark.parametrize("model", [MetricLease, AlertState])
    def test_missing_ones_are_warned_of(self, model):
        with dropped(model):
            (message,) = check_metrics_database(None, databases=["default", "other"])
        assert (message.id, message.level) == ("clean_timestamps.W057", checks.WARNING)
        assert message.msg == (
            f"Tables of the metrics are missing in the database 'default' ({model._meta.db_table}): no figures are "
            "kept, and nobody is alerted."
        )
        assert message.hint.startswith("Run 'manage.py migrate clean_timestamps --database default'")

    def test_where_all_are_there_nothing_is_said(self):
        assert check_metrics_database(None, databases=["default", "other"]) == []
        assert check_metrics_database(None) == []

    def test_elsewhere_none_is_missed(self, settings):
        with dropped(MetricRollup, using="other"):
            assert check_metrics_database(None, databases=["default", "other"]) == []
            settings.CLEAN_TIMESTAMPS = {"METRICS": False, "METRICS_DATABASE": "other"}
            assert check_metrics_database(None, databases=["default", "other"]) == []

    def test_where_they_must_not_be_none_is_missed(self, settings):
        settings.CLEAN_TIMESTAMPS = {"METRICS_DATABASE": "other"}
        settings.DATABASE_ROUTERS = ["tests.checks.test_metrics_checks.NoMetricsOnOther"]
        with dropped(MetricRollup, using="other"):
            assert check_metrics_database(None, databases=["other"]) == []

    def test_a_database_that_is_only_now_being_made_is_passed_over(self, monkeypatch):
        monkeypatch.setattr("django.db.backends.base.introspection.BaseDatabaseIntrospection.table_names", lambda _: [])
        assert check_metrics_database(None, databases=["default"]) == []


def test_the_checks_are_registered():
    assert {check_metrics, check_metrics_database} <= set(checks.registry.registry.get_checks())

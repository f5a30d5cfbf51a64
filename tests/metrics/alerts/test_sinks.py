"""How an alert is told to each sink, and in which words."""

import json
import logging

import django
import pytest
from django.core import mail
from django.core.mail.backends.smtp import EmailBackend

from django_clean_timestamps.metrics.alerts import sinks as module
from django_clean_timestamps.metrics.alerts.built_in import BUILT_IN
from django_clean_timestamps.metrics.alerts.sinks import send_log, send_mail, send_signal, sinks_in_force
from django_clean_timestamps.metrics.alerts.wording import (
    ADVICE,
    TITLES,
    UNITS,
    Message,
    figure_in_words,
    level_in_words,
    one_line,
    subject_in_words,
)
from tests.metrics.alerts.tables import NOON, moment, receiving


def message(**changes):
    values = {
        "key": "latency/shop.order/update/default/1.1.1/firing",
        "rule": "latency",
        "subject": "shop.order/update/default",
        "state": "firing",
        "level": "critical",
        "episode": 1,
        "changed_at": moment(NOON),
        "value": 12.3456,
        "threshold": 5.0,
        "unit": "percent",
        "slow_ms": 10.0,
        "window_seconds": 300,
    }
    return Message(**{**values, **changes})


class TestSignal:
    def test_every_receiver_hears_it(self):
        with receiving() as first, receiving() as second:
            send_signal([message()])
        assert first.heard == second.heard == [message()]

    def test_what_one_raises_is_raised_once_all_have_heard(self):
        with receiving() as first, receiving() as second:
            first.error = ValueError("no")
            with pytest.raises(ValueError, match="no"):
                send_signal([message()])
        assert len(second.heard) == 1

    def test_a_sender_can_be_chosen(self):
        from django_clean_timestamps.signals import timestamp_alert

        heard = []
        timestamp_alert.connect(lambda alert, **kwargs: heard.append(alert), sender=Message, weak=False, dispatch_uid=1)
        send_signal([message()])
        timestamp_alert.disconnect(sender=Message, dispatch_uid=1)
        assert len(heard) == 1


class TestLog:
    @pytest.mark.parametrize(
        ("level", "state", "logged"),
        [
            ("critical", "firing", "ERROR"),
            ("warning", "firing", "WARNING"),
            ("critical", "no_data", "INFO"),
            ("ok", "ok", "INFO"),
            ("ok", "silenced", "INFO"),
        ],
    )
    def test_is_told_as_loud_as_it_is_bad(self, caplog, level, state, logged):
        with caplog.at_level(logging.INFO, logger="django_clean_timestamps.alerts"):
            send_log([message(level=level, state=state)])
        assert [record.levelname for record in caplog.records] == [logged]

    def test_one_line_holds_it_all_as_json(self, caplog):
        with caplog.at_level(logging.INFO, logger="django_clean_timestamps.alerts"):
            send_log([message(subject="shop.order/update/de\nfault", value=None, changed_at=None)])
        (record,) = caplog.records
        text = record.getMessage()
        assert "\n" not in text
        said = json.loads(text[text.index("{") :])
        assert said == record.alert
        assert (said["key"], said["value"], said["changed_at"]) == (message().key, None, None)
        assert {"title", "figures", "advice", "level", "threshold", "unit", "slow_ms", "window_seconds"} <= said.keys()


class TestMail:
    @pytest.fixture(autouse=True)
    def _to(self, settings):
        settings.CLEAN_TIMESTAMPS = {"ALERT_MAIL_TO": ["ops@example.org"]}
        settings.EMAIL_SUBJECT_PREFIX = "[shop]\n"

    def test_says_what_since_when_how_bad_and_what_to_do(self, mailoutbox):
        send_mail([message()])
        (mailed,) = mailoutbox
        assert mailed.to == ["ops@example.org"]
        assert mailed.subject == "[shop] [critical] Slow operations: update of shop.order on default"
        assert mailed.body.splitlines() == [
            "[critical] Slow operations: update of shop.order on default",
            "2027-01-15 12:00:00 UTC",
            "12.3% of operations took over 10 ms in the last 5 minutes; the limit is 5%.",
            str(ADVICE["latency"]),
            "latency/shop.order/update/default/1.1.1/firing",
        ]
        assert mailed.message()["Auto-Submitted"] == "auto-generated"

    def test_an_end_needs_no_advice_and_what_is_not_known_is_left_out(self, mailoutbox):
        send_mail([message(state="ok", level="ok", changed_at=None, threshold=None)])
        assert mailoutbox[0].body.splitlines() == [
            "[ok] Slow operations: update of shop.order on default",
            message().key,
        ]

    def test_several_are_one_mail(self, mailoutbox):
        send_mail([message(), message(key="b")])
        assert mailoutbox[0].subject.endswith("on default (+1)")
        assert mailoutbox[0].body.count("[critical]") == 2

    def test_a_line_break_in_a_name_does_not_keep_it_from_going_out(self, mailoutbox):
        send_mail([message(subject="shop.order/update/de\r\nBcc: x@example.org")])
        assert "\n" not in mailoutbox[0].message()["Subject"].replace("\n ", "")
        assert mailoutbox[0].recipients() == ["ops@example.org"]

    @pytest.mark.skipif(django.VERSION >= (6, 1), reason="from Django 6.1 on each mailer has its own timeout")
    def test_a_server_that_is_silent_is_given_ten_seconds(self, settings):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        assert isinstance(module._mailer(), EmailBackend)
        assert module._mailer().timeout == 10
        settings.EMAIL_TIMEOUT = 3
        assert module._mailer().timeout == 3

    def test_a_newer_django_is_asked_its_own_way(self, monkeypatch):
        class Mailers:
            default = "the default one"

        monkeypatch.setattr(mail, "mailers", Mailers, raising=False)
        assert module._mailer() == "the default one"

    def test_one_that_cannot_be_reached_is_a_failure(self, settings):
        smtp = "django.core.mail.backends.smtp.EmailBackend"
        if django.VERSION >= (6, 1):
            settings.MAILERS = {"default": {"BACKEND": smtp, "OPTIONS": {"host": "127.0.0.1", "port": 1}}}
        else:
            settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = smtp, "127.0.0.1", 1
        with pytest.raises(OSError, match="refused"):
            send_mail([message()])

    def test_there_is_none_without_an_address(self, settings):
        assert [sink.name for sink in sinks_in_force()] == ["signal", "log", "mail"]
        settings.CLEAN_TIMESTAMPS = {}
        assert [sink.name for sink in sinks_in_force()] == ["signal", "log"]


class TestWords:
    def test_there_are_some_for_every_rule(self):
        assert TITLES.keys() == ADVICE.keys() == UNITS.keys() == BUILT_IN.keys()
        for rule in BUILT_IN:
            assert figure_in_words(rule, 7, 5, 10, 300)

    @pytest.mark.parametrize(
        ("rule", "subject", "words"),
        [
            ("latency", "shop.order/touch/replica", "touch of shop.order on replica"),
            ("latency", "/handler:shop.mail/default", "handler shop.mail on default"),
            ("latency", "/write_events/default", "write_events on default"),
            ("validation_errors", "shop.order", "shop.order"),
            ("dead_events", "all", "all logs and handlers"),
            ("collector_silence", "all", "all processes"),
        ],
    )
    def test_subjects(self, rule, subject, words):
        assert subject_in_words(rule, subject) == words

    @pytest.mark.parametrize(
        ("value", "words"), [(0.123456, "0.123"), (12, "12"), (1234.56, "1235"), (120.0, "120"), (0, "0")]
    )
    def test_figures_have_as_many_digits_as_tell_something(self, value, words):
        assert figure_in_words("undelivered", value, 5, None, 0) == f"Waiting events: {words}; the limit is 5."

    def test_a_lack_of_figures(self):
        assert figure_in_words("collector_silence", None, 600, None, 0) == (
            "There was no figure; the limit is 600 seconds."
        )
        assert figure_in_words("latency", None, None, None, 0) == ""

    def test_levels_and_lines(self):
        assert [level_in_words(each) for each in ("ok", "warning", "critical", "no_data", "silenced")] == [
            "ok",
            "warning",
            "critical",
            "no data",
            "silenced",
        ]
        assert one_line(" a\r\nb\x00c\u2028d ") == "a b c d"

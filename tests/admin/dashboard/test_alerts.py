"""The page of alerts: how they stand, when they fired, what was told to whom, and silencing one."""

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from django_clean_timestamps.admin.charts import Level
from django_clean_timestamps.metrics.alerts.models import AlertState
from tests.admin.dashboard.figures import alert, change, file_url, lines_of, moment, notice, now, text_of, url

LATENCY = "testapp.note/update/default"
ASKED = f"?rule=latency&subject={LATENCY}"


@pytest.fixture
def manager_client(log_in):
    return log_in("view_metrics", "manage_alerts")


def marks(response):
    return {(row.alert.rule, row.alert.subject): str(row.mark.word) for row in response.context["alerts"]}


def message(response):
    return [str(each) for each in response.context["messages"]]


def test_every_alert_is_shown_as_it_stands_with_what_to_do(metrics_client, figures):
    alert(value=7.5, threshold=5, slow_ms=5, window_seconds=300, clears_at=moment(now() + 60))
    alert("undelivered", "all", "ok", "ok")
    alert("oldest_event", "all", "no_data", "ok")
    alert("dead_events", "all", "no_data", "critical")
    alert("validation_errors", "testapp.note", "pending", "ok")
    response = metrics_client.get(url("alerts"))
    assert marks(response) == {
        ("latency", LATENCY): "warning",
        ("undelivered", "all"): "well",
        ("oldest_event", "all"): "no data",
        ("dead_events", "all"): "no data",
        ("validation_errors", "testapp.note"): "found, not yet told",
    }
    text = text_of(response)
    assert "7.5% of operations took over 5 ms in the last 5 minutes; the limit is 5%." in text
    assert "Could be over at" in text
    assert "What to do: Look at the operation's page" in text
    assert url("silence") not in response.content.decode()


def test_a_rule_that_is_switched_off_is_said_to_be(metrics_client, figures, settings):
    settings.CLEAN_TIMESTAMPS = {"ALERTS": {"undelivered": False}}
    alert()
    found = {str(row.standing.title): str(row.mark.word) for row in metrics_client.get(url("alerts")).context["rules"]}
    assert found["Undelivered events"] == "switched off"
    assert found["Slow operations"] == "warning"
    assert found["Dead events"] == "well"


def test_the_timeline_shows_each_part_of_an_episode(metrics_client, figures):
    change(1, "firing", "warning", ago=3_000)
    change(2, "firing", "critical", ago=2_000)
    change(3, "no_data", "critical", ago=1_500)
    change(4, "ok", "ok", ago=1_000)
    change(1, "firing", "warning", ago=500, rule="undelivered", subject="all")
    chart = metrics_client.get(url("alerts"), {"range": "1h"}).context["content"].charts["episodes"]
    first, second = chart.rows
    assert first.label == "Slow operations: update of testapp.note on default"
    assert [episode.level for episode in first.episodes] == [Level.WARNING, Level.CRITICAL, Level.NO_DATA]
    assert [episode.ended_at is None for episode in first.episodes] == [False] * 3
    assert [episode.ended_at for episode in second.episodes] == [None]


def test_no_alert_was_ever_found(metrics_client, db):
    text = text_of(metrics_client.get(url("alerts")))
    assert "No alert was ever found." in text
    assert "Nothing was told in this range." in text


def test_it_tells_what_was_told_to_whom(metrics_client, figures):
    notice(1, recipients="ops@example.com, duty@example.com")
    notice(2, sink="signal", state="ok", level="ok")
    notice(3, sink="log", state="silenced")
    notice(4, sink="pager", state="no_data")
    notice(5, told=False, error="Connection refused by 10.0.0.1")
    response = metrics_client.get(url("alerts"))
    rows = {row.notice.key: row for row in response.context["notices"]}
    told = {key: (row.sink, str(row.mark.word)) for key, row in rows.items()}
    assert told == {
        "key-1": ("mail", "critical"),
        "key-2": ("signal", "well"),
        "key-3": ("log", "silenced"),
        "key-4": ("pager", "no data"),
        "key-5": ("mail", "critical"),
    }
    text = text_of(response)
    assert "not yet, after 2 attempts" in text
    # What a server said is for those alone who may see everything.
    assert "10.0.0.1" not in text
    assert rows["key-5"].told_at is None


def test_addresses_are_for_those_who_may_silence_alerts(manager_client, figures):
    notice(1, recipients="ops@example.com, duty@example.com")
    assert "mail ops@example.com, duty@example.com" in text_of(manager_client.get(url("alerts")))
    head, row = lines_of(manager_client.get(file_url("alerts", "notices")))
    assert row[head.index("recipients")] == "ops@example.com, duty@example.com"


def test_others_are_told_how_many_there_were(metrics_client, figures):
    notice(1, recipients="ops@example.com, duty@example.com")
    notice(2, recipients="ops@example.com", state="ok")
    notice(3, sink="log")
    for page in (metrics_client.get(url("alerts")), metrics_client.get(url("alerts"), {"fragment": "1"})):
        text = text_of(page)
        assert ("mail 2 recipients" in text, "mail 1 recipient" in text, "log –" in text) == (True, True, True)
        assert "example.com" not in page.content.decode()
    head, *rows = lines_of(metrics_client.get(file_url("alerts", "notices")))
    assert [row[head.index("recipients")] for row in rows] == ["", "1 recipient", "2 recipients"]
    assert "example.com" not in str(rows)


def test_who_may_see_everything_sees_what_went_wrong(admin_client, figures):
    notice(1, told=False, error="Connection refused by 10.0.0.1")
    assert "10.0.0.1" in text_of(admin_client.get(url("alerts")))


# Silencing.


def test_an_alert_is_silenced_for_hours_and_logged(manager_client, figures):
    alert()
    assert f"{url('silence')}?rule=latency&amp;subject=" in manager_client.get(url("alerts")).content.decode()
    assert "Nothing will be told of 1 alert until the time you choose." in text_of(
        manager_client.get(url("silence") + ASKED)
    )
    response = manager_client.post(url("silence") + ASKED, {"hours": "4"}, follow=True)
    assert message(response) == ["Nothing is told of the alert meanwhile."]
    row = AlertState.objects.get()
    assert 14_300 < (row.silenced_until - moment(now())).total_seconds() <= 14_401
    assert row.silenced_by == "eve"
    assert ", by eve" in text_of(response)
    entry = LogEntry.objects.get()
    assert (entry.user, entry.change_message[:14]) == (manager_client.user, "Silenced until")


def test_or_until_a_time_in_the_viewers_zone(manager_client, figures, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    alert()
    until = timezone.localtime(moment(now() + 7_200)).replace(second=0)
    sent = {"hours": "", "until": until.strftime("%Y-%m-%dT%H:%M")}
    manager_client.post(url("silence") + ASKED, sent)
    assert AlertState.objects.get().silenced_until == until


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "Give a time, or choose how long."),
        ({"hours": "", "until": "soon"}, "Enter a valid date/time."),
        ({"hours": "", "until": "2020-01-01T00:00"}, "The end of the silence is not between now and a year later"),
        ({"hours": "5"}, "Select a valid choice."),
    ],
)
def test_a_time_that_makes_no_sense_is_told(manager_client, figures, sent, said):
    alert()
    assert said in text_of(manager_client.post(url("silence") + ASKED, sent))
    assert AlertState.objects.get().silenced_until is None


def test_a_silence_is_ended(manager_client, figures):
    alert(silenced_until="2999-01-01T00:00:00+00:00", silenced_by="ada")
    assert "End the silence" in manager_client.get(url("silence") + ASKED).content.decode()
    response = manager_client.post(url("silence") + ASKED, {"unsilence": "yes"}, follow=True)
    assert message(response) == ["The alert is told of again."]
    assert AlertState.objects.get().silenced_until is None
    assert LogEntry.objects.get().change_message == "Silence ended"


def test_what_is_no_alert_cannot_be_silenced(manager_client, figures):
    response = manager_client.post(f"{url('silence')}?rule=latency&subject=x", {"hours": "1"}, follow=True)
    assert message(response) == ["There is no such alert."]
    assert not AlertState.objects.exists()


def test_silencing_needs_its_permission(metrics_client, figures):
    alert()
    assert metrics_client.get(url("silence") + ASKED).status_code == 403
    assert metrics_client.post(url("silence") + ASKED, {"hours": "1"}).status_code == 403
    assert AlertState.objects.get().silenced_until is None


def test_a_forged_silence_is_refused(manager_client, figures):
    alert()
    manager_client.handler.enforce_csrf_checks = True
    assert manager_client.post(url("silence") + ASKED, {"hours": "1"}).status_code == 403
    assert AlertState.objects.get().silenced_until is None

"""``CLEAN_TIMESTAMPS``: its keys, its bad values, and that it is read at use."""

import dataclasses
import math

import pytest
from django.test import override_settings

from django_clean_timestamps import conf
from django_clean_timestamps.conf import KEYS, Settings, find_problems, get_settings
from django_clean_timestamps.exceptions import CleanTimestampsError, InvalidSettingError

DEFAULTS = {
    "CLOCK": "django_clean_timestamps.clocks.system_clock",
    "MAX_FUTURE_SECONDS": 60,
    "CREATED_AT_POLICY": "raise",
    "EVENTS": True,
    "BATCH_SIZE": 500,
    "LEASE_SECONDS": 30,
    "MAX_ATTEMPTS": 10,
    "CRASH_LIMIT": 3,
    "BACKOFF_SECONDS": (1, 3600),
    "SWEEP_SECONDS": 5,
    "DOORBELL": True,
    "QUEUE": None,
    "RETENTION_DAYS": 30,
    "MAX_UNDELIVERED": None,
    "COMPILED_WRITES": True,
    "METRICS": True,
    "METRICS_DATABASE": "default",
    "API_TOKENS": (),
    "FEED_TOKENS": (),
    "ALERTS": None,
    "ALERT_MAIL_TO": (),
}
FLAGS = ["EVENTS", "DOORBELL", "COMPILED_WRITES", "METRICS"]
COUNTS = ["BATCH_SIZE", "MAX_ATTEMPTS", "CRASH_LIMIT"]
SECONDS = ["LEASE_SECONDS", "SWEEP_SECONDS", "RETENTION_DAYS"]
TEXTS = ["RULES", "API_TOKENS", "FEED_TOKENS", "ALERT_MAIL_TO"]

BAD = [
    *[("CLOCK", value) for value in (None, 5, "", min)],
    *[("MAX_FUTURE_SECONDS", value) for value in (-1, "60", None, True, math.nan, math.inf)],
    *[("CREATED_AT_POLICY", value) for value in ("RAISE", None, True, ["raise"])],
    *[(key, value) for key in TEXTS for value in (None, "text", [5], [""], {"a": 1})],
    *[(key, value) for key in FLAGS for value in (None, 1, 0, "yes")],
    *[(key, value) for key in COUNTS for value in (0, -1, 1.5, "5", None, True)],
    *[(key, value) for key in SECONDS for value in (0, -1, "5", None, True, math.inf)],
    *[
        ("BACKOFF_SECONDS", value)
        for value in (5, (1,), (0, 5), (5, 1), ("1", "2"), (True, True), (1, math.inf), "12", None)
    ],
    *[("QUEUE", value) for value in ("", 5, False)],
    *[("MAX_UNDELIVERED", value) for value in (0, 1.5, "5", True)],
    *[("METRICS_DATABASE", value) for value in ("", None, 5)],
    *[("ALERTS", value) for value in ([], "all", False, 5)],
]
GOOD = [
    ("CLOCK", "tests.stamping.standing_clock.clock"),
    *[("MAX_FUTURE_SECONDS", value) for value in (0, 0.5, 10**9)],
    *[("CREATED_AT_POLICY", value) for value in ("raise", "warn", "ignore")],
    *[(key, value) for key in TEXTS for value in ([], (), ["a.b"], ("a", "b"))],
    *[(key, value) for key in FLAGS for value in (True, False)],
    *[(key, value) for key in COUNTS for value in (1, 10_000)],
    *[(key, value) for key in SECONDS for value in (0.001, 1, 2.5)],
    *[("BACKOFF_SECONDS", value) for value in ((1, 1), [0.5, 60])],
    *[("QUEUE", value) for value in (None, "events")],
    *[("MAX_UNDELIVERED", value) for value in (None, 1)],
    ("METRICS_DATABASE", "other"),
    *[("ALERTS", value) for value in (None, {}, {"a": 1})],
]


@pytest.mark.parametrize(("key", "value"), DEFAULTS.items())
def test_each_key_has_its_default(key, value):
    with override_settings():
        assert getattr(get_settings(), key.lower()) == value


def test_every_key_of_the_design_is_known():
    assert KEYS.keys() == {*DEFAULTS, "RULES"}
    assert {key for key, _ in BAD} == {key for key, _ in GOOD} == KEYS.keys()


@pytest.mark.parametrize(("key", "value"), BAD)
def test_a_bad_value_is_one_clear_problem(key, value):
    (problem,) = find_problems({key: value})
    shown = "not shown" if key.endswith("TOKENS") else repr(value)
    assert problem.key == key
    assert problem.message.startswith(f"CLEAN_TIMESTAMPS[{key!r}] is {shown}; wanted: ")
    wanted = problem.message.partition("wanted: ")[2]
    assert problem.hint == f"Give it {wanted}, or leave it out."
    with override_settings(CLEAN_TIMESTAMPS={key: value}), pytest.raises(InvalidSettingError) as caught:
        get_settings()
    assert str(caught.value) == problem.message
    assert isinstance(caught.value, CleanTimestampsError)


@pytest.mark.parametrize(("key", "value"), GOOD)
def test_a_good_value_is_taken(key, value):
    assert find_problems({key: value}) == []
    with override_settings(CLEAN_TIMESTAMPS={key: value}):
        assert getattr(get_settings(), key.lower()) == (tuple(value) if isinstance(value, list) else value)


def test_an_unknown_key_is_named_with_those_that_are_known():
    (problem,) = find_problems({"POLICY": 1})
    assert (problem.key, problem.message) == ("POLICY", "CLEAN_TIMESTAMPS has the unknown key 'POLICY'")
    assert all(key in problem.hint for key in KEYS)
    assert find_problems({5: 1})[0].key == "5"


def test_all_problems_are_found_at_once():
    assert [problem.key for problem in find_problems({"EVENTS": 5, "NO": 1, "CLOCK": "a.b", "QUEUE": 5})] == [
        "EVENTS",
        "NO",
        "QUEUE",
    ]


@pytest.mark.parametrize("raw", [[("API_TOKENS", "hush")], "hush", 5])
def test_what_is_no_dict_is_named_by_its_type_alone(raw):
    (problem,) = find_problems(raw)
    assert problem.message == f"CLEAN_TIMESTAMPS is of type {type(raw).__name__}; a dict is wanted"
    assert "hush" not in problem.message + problem.hint


def test_tokens_are_not_shown():
    (problem,) = find_problems({"FEED_TOKENS": ["hush", 5]})
    assert "hush" not in problem.message + problem.hint
    assert "hush" not in repr(Settings(api_tokens=("hush",), feed_tokens=("hush",)))


@pytest.mark.parametrize("raw", [None, {}])
def test_nothing_stands_for_the_defaults(raw):
    assert find_problems(raw) == []
    with override_settings(CLEAN_TIMESTAMPS=raw):
        assert get_settings() == Settings()


def test_override_settings_works_nested_and_is_undone():
    before = get_settings()
    with override_settings(CLEAN_TIMESTAMPS={"BATCH_SIZE": 7}):
        outer = get_settings()
        with override_settings(CLEAN_TIMESTAMPS={"BATCH_SIZE": 8}):
            assert get_settings().batch_size == 8
        assert get_settings() == outer
        assert outer.batch_size == 7
        assert get_settings() is get_settings()
    assert get_settings() == before


def test_a_deleted_setting_is_the_default(settings):
    settings.CLEAN_TIMESTAMPS = {"BATCH_SIZE": 7}
    assert get_settings().batch_size == 7
    del settings.CLEAN_TIMESTAMPS
    assert get_settings() == Settings()


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        get_settings().events = False


def test_a_clock_that_cannot_be_imported_is_named():
    with pytest.raises(InvalidSettingError, match=r"CLEAN_TIMESTAMPS\['CLOCK'\]: cannot import 'nowhere.clock'"):
        _ = Settings(clock="nowhere.clock").read_clock


def test_a_clock_that_cannot_be_called_is_named():
    with pytest.raises(InvalidSettingError, match=r"'django_clean_timestamps.conf.KEYS' is .*; a callable is wanted"):
        _ = Settings(clock="django_clean_timestamps.conf.KEYS").read_clock


def test_rules_are_imported_in_order():
    assert [rule.name for rule in Settings().rule_objects] == ["aware", "not_in_future", "created_first", "text_fits"]
    assert Settings().rules == conf.BUILT_IN_RULES

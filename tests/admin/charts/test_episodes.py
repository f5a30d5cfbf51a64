import pytest
from django.utils import translation

from django_clean_timestamps.admin.charts import Level, render, summary_of, table_of
from django_clean_timestamps.admin.charts.episodes import draw_episodes
from tests.admin.charts.examples import episode, episodes, text_of


def drawn(*given, until=100):
    (row,) = draw_episodes(episodes(given, until=until)).rows
    return [(each.level, each.x, each.width, each.is_open) for each in row.episodes]


def test_an_episode_is_as_long_as_it_lasted():
    assert drawn(episode(Level.WARNING, 10, 30)) == [(Level.WARNING, "10%", "20%", False)]


def test_what_goes_on_reaches_the_end():
    assert drawn(episode(Level.CRITICAL, 80)) == [(Level.CRITICAL, "80%", "20%", True)]


def test_what_began_earlier_begins_at_the_edge():
    assert drawn(episode(Level.NO_DATA, -50, 25)) == [(Level.NO_DATA, "0%", "25%", False)]


def test_a_short_episode_is_still_seen_and_inside():
    assert drawn(episode(Level.WARNING, 5, 5)) == [(Level.WARNING, "5%", "0.5%", False)]
    assert drawn(episode(Level.WARNING, 99.9, 100)) == [(Level.WARNING, "99.5%", "0.5%", False)]


def test_the_worst_is_in_front():
    levels = [Level.CRITICAL, Level.NO_DATA, Level.WARNING]
    found = drawn(*(episode(level, 10, 30) for level in levels))
    assert [each[0] for each in found] == [Level.NO_DATA, Level.WARNING, Level.CRITICAL]


@pytest.mark.parametrize(
    "outside", [episode(Level.WARNING, -9, 0), episode(Level.WARNING, 100), episode(Level.WARNING, 101, 102)]
)
def test_what_is_over_or_still_to_come_is_left_out(outside):
    chart = episodes([outside])
    assert draw_episodes(chart).rows[0].episodes == []
    assert table_of(chart).rows == ()
    assert text_of(summary_of(chart)) == "Alerts: none."


def test_the_legend_has_the_levels_that_occur():
    chart = episodes([episode(Level.CRITICAL, 1, 2)], [episode(Level.WARNING, 1, 2)])
    assert draw_episodes(chart).levels == [Level.WARNING, Level.CRITICAL]


def test_pointing_at_an_episode_tells_it():
    page = text_of(render(episodes([episode(Level.WARNING, 10, 30), episode(Level.CRITICAL, 80)])))
    assert "warning, 12:10 p.m. to 12:30 p.m." in page
    assert "critical, since 1:20 p.m." in page


def test_the_summary_counts():
    one, going = episode(Level.WARNING, 1, 2), episode(Level.WARNING, 5)
    assert text_of(summary_of(episodes([one]))) == "1 episode; none goes on."
    assert text_of(summary_of(episodes([one, going]))) == "2 episodes; 1 goes on."
    assert text_of(summary_of(episodes([going], [going]))) == "2 episodes; 2 go on."


def test_dates_at_the_left_edge_stay_inside():
    with translation.override("en"):
        marks = draw_episodes(episodes([], until=7 * 24 * 60)).marks
        edge = draw_episodes(episodes([], until=60)).marks
        near = draw_episodes(episodes([], until=12 * 24 * 60)).marks
    assert marks[0].anchor == "middle"
    assert edge[0].anchor == "start"
    assert near[0].is_for_wide


def test_no_rule_at_all_is_told_in_words():
    assert "No alerts." in render(episodes())

"""What machines read; to be included by a project's own URLs, in whichever place it likes."""

from django.urls import URLPattern, URLResolver, path

from django_clean_timestamps.views.feed import changes
from django_clean_timestamps.views.figures import alerts, series, summary
from django_clean_timestamps.views.health import health, live, ready
from django_clean_timestamps.views.prometheus import metrics

app_name = "clean_timestamps"

urlpatterns: list[URLPattern | URLResolver] = [
    path("live", live, name="live"),
    path("ready", ready, name="ready"),
    path("health", health, name="health"),
    path("metrics", metrics, name="metrics"),
    path("api/v1/changes", changes, name="changes"),
    path("api/v1/summary", summary, name="summary"),
    path("api/v1/series", series, name="series"),
    path("api/v1/alerts", alerts, name="alerts"),
    path("api/v1/health", health, name="api_health"),
]

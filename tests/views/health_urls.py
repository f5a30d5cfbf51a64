"""Where the machine views are in these tests."""

from django.urls import include, path

from django_clean_timestamps.views.health import health, live, ready

urlpatterns = [
    path(
        "timestamps/",
        include(
            (
                [
                    path("live", live, name="live"),
                    path("ready", ready, name="ready"),
                    path("health", health, name="health"),
                ],
                "clean_timestamps",
            ),
        ),
    ),
]

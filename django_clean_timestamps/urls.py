"""What machines read: health, metrics and feed views come here; there are none yet."""

from django.urls import URLPattern, URLResolver

app_name = "clean_timestamps"

urlpatterns: list[URLPattern | URLResolver] = []

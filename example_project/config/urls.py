"""The example's addresses."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("tracker.urls")),
    path("code/", include("codebase.urls")),
    path("admin/", admin.site.urls),
    path("timestamps/", include("django_clean_timestamps.urls")),
]

"""The addresses of the site that the browser looks at."""

from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [
    # Asked for once by each browser, and missed aloud.
    path("favicon.ico", lambda request: HttpResponse(status=204)),
    path("admin/", admin.site.urls),
    path("timestamps/", include("django_clean_timestamps.urls")),
]

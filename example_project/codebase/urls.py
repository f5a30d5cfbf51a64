"""The code base's addresses."""

from django.urls import path

from codebase import views

app_name = "codebase"

urlpatterns = [
    path("", views.repository_list, name="repository_list"),
    path("<slug:slug>/", views.repository, name="repository"),
    path("<slug:slug>/file/<path:path>", views.source_file, name="file"),
]

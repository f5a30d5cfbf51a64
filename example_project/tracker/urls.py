"""The tracker's addresses."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from tracker import activity_views, delivery_views, views

app_name = "tracker"

urlpatterns = [
    path("", views.project_list, name="project_list"),
    path("activity/", activity_views.activity, name="activity"),
    path("activity/newer/", activity_views.newer_activity, name="newer_activity"),
    path("delivery/", delivery_views.delivery, name="delivery"),
    path("login/", views.SiteLoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(next_page="tracker:project_list"), name="logout"),
    path("projects/<slug:slug>/", views.project, name="project"),
    path("projects/<slug:slug>/tasks/", views.add_task, name="add_task"),
    path("tasks/<int:pk>/", views.task, name="task"),
    path("tasks/<int:pk>/comments/", views.add_comment, name="add_comment"),
    path("tasks/<int:pk>/status/", views.change_status, name="change_status"),
    path("tasks/<int:pk>/touch/", views.touch_task, name="touch_task"),
]

"""
The tracker's pages: everybody may look, and who is logged in may write.

Each write says why in a ``timestamp_context``; who wrote comes from the package's middleware.
"""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.db.models import Count, Q
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from django_clean_timestamps.context import timestamp_context
from tracker.forms import CommentForm, StatusForm, TaskForm, TouchForm
from tracker.models import Comment, Project, Task
from tracker.recent_events import recent_events

NOTIFICATIONS_SHOWN = 5

writers_only = login_required(login_url=reverse_lazy("tracker:login"))


@require_safe
def project_list(request: HttpRequest) -> HttpResponse:
    """Return the page of all projects, the most recently changed first."""
    projects = (
        Project.objects.select_related("statistics")
        .annotate(
            task_count=Count("tasks"),
            open_count=Count("tasks", filter=~Q(tasks__status=Task.Status.DONE)),
        )
        .order_by("-updated_at", "name")
    )
    return render(
        request,
        "tracker/project_list.html",
        {"projects": projects, "recent_events": recent_events(*projects)},
    )


@require_safe
def project(request: HttpRequest, slug: str) -> HttpResponse:
    """Return a project's page with its tasks, all or those of ``?status=``."""
    return _project_page(
        request, get_object_or_404(Project.objects.select_related("statistics"), slug=slug), TaskForm()
    )


@writers_only
@require_POST
def add_task(request: HttpRequest, slug: str) -> HttpResponse:
    """Add a task to the project, and with it touch the project."""
    parent = get_object_or_404(Project, slug=slug)
    form = TaskForm(request.POST, instance=Task(project=parent, author_id=request.user.pk))
    if not form.is_valid():
        return _project_page(request, parent, form)
    with timestamp_context(reason="task added"):
        task = form.save()
    messages.success(request, _("“%(task)s” was added.") % {"task": task})
    return redirect(task)


@require_safe
def task(request: HttpRequest, pk: int) -> HttpResponse:
    """Return a task's page with its comments."""
    return _task_page(request, _get_task(pk))


@writers_only
@require_POST
def add_comment(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a comment to the task, and with it touch the task and its project."""
    task = _get_task(pk)
    form = CommentForm(request.POST, instance=Comment(task=task, author_id=request.user.pk))
    if not form.is_valid():
        return _task_page(request, task, comment_form=form)
    with timestamp_context(reason="comment added"):
        form.save()
    messages.success(request, _("Your comment was added."))
    return redirect(task)


@writers_only
@require_POST
def change_status(request: HttpRequest, pk: int) -> HttpResponse:
    """Change the task's status."""
    task = _get_task(pk)
    old_status = task.status
    form = StatusForm(request.POST, instance=task)
    if not form.is_valid():
        return _task_page(request, _get_task(pk), status_form=form)
    with timestamp_context(reason=f"status {old_status} to {task.status}"):
        form.save()
    messages.success(request, _("The task is now: %s.") % task.get_status_display())
    return redirect(task)


@writers_only
@require_POST
def touch_task(request: HttpRequest, pk: int) -> HttpResponse:
    """Touch the task, and with it its project, for the reason given."""
    task = _get_task(pk)
    form = TouchForm(request.POST)
    if not form.is_valid():
        return _task_page(request, task, touch_form=form)
    task.touch(form.cleaned_data["reason"])
    messages.success(request, _("The task and its project were touched."))
    return redirect(task)


class SiteLoginView(LoginView):
    """The login page; where DEBUG is on it names the demo's user."""

    template_name = "tracker/login.html"
    redirect_authenticated_user = True
    next_page = "tracker:project_list"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the template's context."""
        return super().get_context_data(**kwargs, is_demo=settings.DEBUG)


def _project_page(request: HttpRequest, project: Project, form: TaskForm) -> HttpResponse:
    tasks = project.tasks.select_related("assignee").annotate(comment_count=Count("comments"))
    status = request.GET.get("status", "")
    if status in Task.Status.values:
        tasks = tasks.filter(status=status)
    context = {
        "project": project,
        "tasks": tasks,
        "statuses": [("", _("All")), *Task.Status.choices],
        "status": status,
        "form": form,
        "recent_events": recent_events(project, *project.tasks.all()),
    }
    return render(request, "tracker/project.html", context, status=422 if form.errors else 200)


def _task_page(
    request: HttpRequest,
    task: Task,
    *,
    comment_form: BaseForm | None = None,
    status_form: BaseForm | None = None,
    touch_form: BaseForm | None = None,
) -> HttpResponse:
    given = [form for form in (comment_form, status_form, touch_form) if form is not None]
    context = {
        "task": task,
        "comments": task.comments.select_related("author"),
        "comment_form": comment_form or CommentForm(),
        "status_form": status_form or StatusForm(instance=task),
        "touch_form": touch_form or TouchForm(),
        "notifications": task.notifications.select_related("recipient")[:NOTIFICATIONS_SHOWN],
        "recent_events": recent_events(task, task.project),
    }
    return render(request, "tracker/task.html", context, status=422 if given else 200)


def _get_task(pk: int) -> Task:
    return get_object_or_404(Task.objects.select_related("project", "author", "assignee"), pk=pk)

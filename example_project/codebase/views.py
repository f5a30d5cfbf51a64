"""The code base's pages."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from codebase.models import FileChange, Repository, SourceFile, path_digest

PAGE_LENGTH = 25
CHANGES_SHOWN = 10
HISTORY_SHOWN = 100
KINDS = ("created", "updated", "deleted")


@require_safe
def repository_list(request: HttpRequest) -> HttpResponse:
    """Return the page of all repositories, the most recently changed first."""
    repositories = (
        Repository.objects.select_related("progress")
        .annotate(file_count=Count("files"))
        .order_by("-updated_at", "name")
    )
    return render(request, "codebase/repository_list.html", {"repositories": repositories})


@require_safe
def repository(request: HttpRequest, slug: str) -> HttpResponse:
    """Return a repository's page: its years and newest changes, and its files, those that ``?q=`` is a part of."""
    found = get_object_or_404(Repository.objects.select_related("progress"), slug=slug)
    query = request.GET.get("q", "").strip().replace("\0", "")
    files = found.files.order_by("-updated_at", "path")
    if query:
        files = files.filter(path__icontains=query)
    page = Paginator(files, PAGE_LENGTH).get_page(request.GET.get("page"))
    for file in page:
        file.repository = found
    context = {
        "repository": found,
        "page": page,
        "query": query,
        "changes": found.changes.all()[:CHANGES_SHOWN],
    }
    return render(request, "codebase/repository.html", context | _statistics(found))


@require_safe
def source_file(request: HttpRequest, slug: str, path: str) -> HttpResponse:
    """Return a file's page, with its newest changes."""
    file = get_object_or_404(
        SourceFile.objects.select_related("repository"),
        repository__slug=slug,
        path_digest=path_digest(path),
    )
    changes = FileChange.objects.filter(entity_id=str(file.pk))
    context = {"file": file, "changes": changes[:HISTORY_SHOWN], "change_count": changes.count()}
    return render(request, "codebase/file.html", context)


def _statistics(repository: Repository) -> dict[str, Any]:
    """Return what a handler has counted: the years, the newest first, each with its sum; their totals and maximum."""
    years = [
        {"row": row, "sum": row.created_count + row.updated_count + row.deleted_count}
        for row in repository.statistics.order_by("-year")
    ]
    totals = {name: sum(getattr(year["row"], f"{name}_count") for year in years) for name in KINDS}
    return {"years": years, "greatest": max((year["sum"] for year in years), default=0), "totals": years and totals}

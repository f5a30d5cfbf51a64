"""The code base's pages."""

from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from codebase.models import Repository, SourceFile, path_digest

PAGE_LENGTH = 25


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
    """Return a repository's page: its files, those that ``?q=`` is a part of, newest first."""
    found = get_object_or_404(Repository.objects.select_related("progress"), slug=slug)
    query = request.GET.get("q", "").strip().replace("\0", "")
    files = found.files.order_by("-updated_at", "path")
    if query:
        files = files.filter(path__icontains=query)
    page = Paginator(files, PAGE_LENGTH).get_page(request.GET.get("page"))
    for file in page:
        file.repository = found
    return render(request, "codebase/repository.html", {"repository": found, "page": page, "query": query})


@require_safe
def source_file(request: HttpRequest, slug: str, path: str) -> HttpResponse:
    """Return a file's page."""
    file = get_object_or_404(
        SourceFile.objects.select_related("repository"),
        repository__slug=slug,
        path_digest=path_digest(path),
    )
    return render(request, "codebase/file.html", {"file": file})

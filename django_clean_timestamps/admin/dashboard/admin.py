"""The dashboard's place in the admin: its addresses, and who may see them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Final

import django
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.text import capfirst

from django_clean_timestamps.admin.dashboard.alerts import ALERTS
from django_clean_timestamps.admin.dashboard.asked import VIEW, Asked, read_asked
from django_clean_timestamps.admin.dashboard.content import Content, Page
from django_clean_timestamps.admin.dashboard.deliveries import DELIVERIES
from django_clean_timestamps.admin.dashboard.filters_form import FiltersForm
from django_clean_timestamps.admin.dashboard.fragments import FRAGMENT, etag_of, mark, unchanged
from django_clean_timestamps.admin.dashboard.health import HEALTH
from django_clean_timestamps.admin.dashboard.operation import OPERATION
from django_clean_timestamps.admin.dashboard.overview import OVERVIEW
from django_clean_timestamps.admin.dashboard.parked_actions import act_on_parked
from django_clean_timestamps.admin.dashboard.reading import MetricsUnreadable, reading_metrics
from django_clean_timestamps.admin.dashboard.sentences import describe_age
from django_clean_timestamps.admin.dashboard.silence_page import silence_alert
from django_clean_timestamps.admin.dashboard.table_file import table_response
from django_clean_timestamps.conf import get_settings

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Any]
else:
    _Base = admin.ModelAdmin

__all__ = ["PAGES", "DashboardAdmin"]

PAGES: Final[tuple[Page, ...]] = (OVERVIEW, OPERATION, DELIVERIES, ALERTS, HEALTH)

_BREADCRUMBS_ARE_A_LIST: Final = django.VERSION >= (6, 1)

View = Callable[..., HttpResponseBase]


def _outside_transactions(view: View) -> View:
    """Keep ``ATOMIC_REQUESTS`` off: a database that is down is to be told of, and actions have their own."""

    @wraps(view)
    def outside(request: HttpRequest, **named: str) -> HttpResponseBase:
        return view(request, **named)

    found: View = outside
    for alias in connections:
        found = transaction.non_atomic_requests(using=alias)(found)
    return found


class DashboardAdmin(_Base):
    """
    The dashboard, a few pages to look at.

    ``clean_timestamps.view_metrics`` opens it. Nothing is added, changed or deleted.
    """

    # Permissions.

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Say whether the user may view the metrics."""
        return request.user.has_perm(VIEW)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Say whether the admin's index shows it to the user."""
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: there is nothing to add."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: what was measured stays."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: the package prunes it."""
        return False

    # Addresses.

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses; that of the overview also by the name that the admin's index asks for."""
        urls = []
        for page in PAGES:
            place = "" if page is OVERVIEW else f"{page.key}/"
            urls.append(path(place, self._in_admin(partial(self.page_view, page=page)), name=page.url_name))
            file = path(
                f"csv/{page.key}/<slug:key>/",
                self._in_admin(partial(self.file_view, page=page)),
                name=f"clean_timestamps_csv_{page.key}",
            )
            urls.append(file)
        # After its own name, which is the one that a request is told.
        overview = self._in_admin(partial(self.page_view, page=OVERVIEW))
        urls.append(path("", overview, name="clean_timestamps_dashboard_changelist"))
        for place, name, view in (
            ("deliveries/retry/", "retry", self.retry_view),
            ("deliveries/skip/", "skip", self.skip_view),
            ("alerts/silence/", "silence", self.silence_view),
        ):
            urls.append(path(place, self._in_admin(view), name=f"clean_timestamps_dashboard_{name}"))
        return urls

    def url_of(self, page: Page) -> str:
        """Return the address of a page, without a query."""
        return reverse(f"{self.admin_site.name}:{page.url_name}")

    # Pages.

    def page_view(self, request: HttpRequest, page: Page) -> HttpResponse:
        """Show a page, or its figures alone where they are newer."""
        self._admit(request)
        try:
            with reading_metrics(get_settings().metrics_database):
                return self._page(request, page)
        except MetricsUnreadable as error:
            return self._unreadable(request, page, error)

    def file_view(self, request: HttpRequest, page: Page, key: str) -> HttpResponseBase:
        """Return the figures of a chart or a table as a file."""
        self._admit(request)
        try:
            with reading_metrics(get_settings().metrics_database):
                asked = read_asked(self.admin_site, request, request.GET.dict())
                table = None if asked.problem else page.build(asked).table(key)
        except MetricsUnreadable as error:
            return HttpResponse(str(error), status=503, content_type="text/plain; charset=utf-8")
        if asked.problem:
            return HttpResponse(str(asked.problem), status=400, content_type="text/plain; charset=utf-8")
        if table is None:
            raise Http404(f"The page {page.key!r} has no table {key!r} for what was asked for")
        return table_response(table, f"{page.key}-{key}")

    # Actions.

    def retry_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether to retry what is parked of a handler, or do so."""
        return self._act_on_parked(request, "retry")

    def skip_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether to give up what is parked of a handler, and why, or do so."""
        return self._act_on_parked(request, "skip")

    def silence_view(self, request: HttpRequest) -> HttpResponse:
        """Ask until when an alert is to be silenced, or do so."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            with reading_metrics(get_settings().metrics_database):
                return silence_alert(request, self._shared(request, ALERTS), self.url_of(ALERTS))
        except MetricsUnreadable as error:
            return self._unreadable(request, ALERTS, error)

    def _act_on_parked(self, request: HttpRequest, action: str) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = self._shared(request, DELIVERIES)
        return act_on_parked(self.admin_site, request, action, context, self.url_of(DELIVERIES))

    # What they share.

    def _shared(self, request: HttpRequest, page: Page) -> dict[str, Any]:
        """Return what every page is written with."""
        request.current_app = self.admin_site.name
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": capfirst(self.opts.verbose_name) if page is OVERVIEW else page.title,
            "page": page,
            "page_url": self.url_of(page),
            "overview_url": self.url_of(OVERVIEW),
            "is_overview": page is OVERVIEW,
            "breadcrumbs_are_a_list": _BREADCRUMBS_ARE_A_LIST,
        }

    def _admit(self, request: HttpRequest) -> None:
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied

    def _page(self, request: HttpRequest, page: Page) -> HttpResponse:
        asked = read_asked(self.admin_site, request, request.GET.dict())
        is_fragment = FRAGMENT in request.GET
        etag = etag_of(asked, page.key)
        if is_fragment and (answer := unchanged(request, etag)) is not None:
            mark(answer, page.key, etag)
            return answer
        content = page.build(asked)
        response = self._render(
            request, page, self._context(asked, page, content), is_fragment, 400 if asked.problem else 200
        )
        if is_fragment:
            mark(response, page.key, etag)
        # Here, where an error of the database still becomes a page.
        response.render()
        return response

    def _context(self, asked: Asked, page: Page, content: Content) -> dict[str, Any]:
        query = urlencode(asked.filters.as_query())
        own_url = self.url_of(page)
        form = FiltersForm(asked, own_url, has_selects=page.has_filters)
        files = {key: f"{self._csv_url(page, key)}?{query}" for key in (*content.charts, *content.tables)}
        return {
            "asked": asked,
            "content": content,
            "sections": [
                (section, [(chart, drawn, files[chart.key]) for chart, drawn in section.drawn])
                for section in content.sections
            ],
            "empty": content.empty,
            "age": describe_age(asked.freshness),
            "form": form,
            "files": files,
            "tabs": [
                (each.title, f"{self.url_of(each)}?{urlencode(_kept(asked, each))}", each is page) for each in PAGES
            ],
            "fragment_url": f"{own_url}?{urlencode({**asked.request.GET.dict(), FRAGMENT: '1'})}",
            "own_range_url": f"{own_url}?{urlencode({**dict(form.kept_choices), 'range': 'own'})}",
            **content.context,
        }

    def _csv_url(self, page: Page, key: str) -> str:
        return reverse(f"{self.admin_site.name}:clean_timestamps_csv_{page.key}", args=[key])

    def _render(
        self, request: HttpRequest, page: Page, context: dict[str, Any], is_fragment: bool = False, status: int = 200
    ) -> TemplateResponse:
        template = "fragment" if is_fragment else "page"
        shared = {"page": page} if is_fragment else self._shared(request, page)
        context = shared | context
        return TemplateResponse(request, f"admin/clean_timestamps/dashboard/{template}.html", context, status=status)

    def _unreadable(self, request: HttpRequest, page: Page, error: MetricsUnreadable) -> HttpResponse:
        response = self._render(request, page, {"unreadable": str(error)}, FRAGMENT in request.GET, 503)
        response.render()
        return response

    def _in_admin(self, view: View) -> View:
        guarded: View = self.admin_site.admin_view(_outside_transactions(view))
        return guarded


def _kept(asked: Asked, page: Page) -> dict[str, str]:
    """Return what of the filters another page takes over."""
    query = asked.filters.as_query()
    return query if page.has_filters else {name: query[name] for name in ("range", "from", "to") if name in query}

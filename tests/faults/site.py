"""A web application whose every request saves one row; ``FAULTS_PRELOADED`` lets it save one as it is loaded."""

from __future__ import annotations

import os
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

__all__ = ["application", "save", "urlpatterns"]


def save(request: Any) -> HttpResponse:
    """Save a row, and say which process did."""
    from tests.faults.app.models import Counter
    from tests.faults.writes import new_name

    Counter.objects.create(name=new_name())
    return HttpResponse(str(os.getpid()))


urlpatterns = [path("save", save)]
application = get_wsgi_application()
if os.environ.get("FAULTS_PRELOADED"):
    save(None)

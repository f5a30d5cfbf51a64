"""What all views for machines have in common."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from django.contrib.auth.decorators import login_not_required
from django.db import Error, connections, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.exceptions import InvalidSettingError
from django_clean_timestamps.views.access import bearer_token, is_among
from django_clean_timestamps.views.answers import Refusal

__all__ = ["VIEW_METRICS", "View", "admit_to_metrics", "machine_view"]

View = Callable[[HttpRequest], HttpResponseBase]

VIEW_METRICS: Final = "clean_timestamps.view_metrics"

READING: Final = ("GET", "HEAD")


def machine_view(view: View) -> View:
    """
    Return a view that programs read; a decorator.

    It stands outside the login middleware (a redirect to a page is taken for success), outside the transactions of
    ``ATOMIC_REQUESTS`` on every database (a request begins them before anybody knows whether that database answers),
    and in no cache. Methods other than ``GET`` and ``HEAD`` get 405. A ``Refusal`` that the view raises is answered as
    JSON.

    Args:
        view: Takes the request alone. Who may read it is its own affair.
    """

    @functools.wraps(view)
    def read(request: HttpRequest) -> HttpResponseBase:
        try:
            if request.method not in READING:
                return _not_allowed(request)
            return view(request)
        except Refusal as refusal:
            return refusal.as_response()
        except InvalidSettingError:
            # What it says is for those who may read, and that is not known without the settings.
            text = "The setting CLEAN_TIMESTAMPS cannot be used; 'manage.py check' says why"
            return Refusal(503, "bad_settings", text).as_response()

    # Exempt from the CSRF check, so that a wrong method is told of as such; nothing is changed by any.
    wrapped = _outside_transactions(csrf_exempt(never_cache(read)))
    return login_not_required(wrapped)


def admit_to_metrics(request: HttpRequest) -> None:
    """
    Let the bearer of one of ``API_TOKENS`` in, and a session whose user has ``clean_timestamps.view_metrics``.

    Raises:
        Refusal: It is neither: 401 where nobody or a wrong token came, 403 where the permission is missing; 503 where
            the session's user cannot be read.
    """
    token = bearer_token(request)
    if token is not None:
        if not is_among(token, get_settings().api_tokens):
            raise Refusal(401, "bad_token", "The bearer token is none of CLEAN_TIMESTAMPS['API_TOKENS']")
        return
    try:
        _admit_user(getattr(request, "user", None))
    except Error as error:
        text = "The database of the users does not answer; the bearer of a token needs none"
        raise Refusal(503, "users_unavailable", text) from error


def _admit_user(user: Any) -> None:
    if user is None or not user.is_authenticated or not user.is_active:
        raise Refusal(
            401,
            "not_authenticated",
            "Log in, or send 'Authorization: Bearer TOKEN' with one of CLEAN_TIMESTAMPS['API_TOKENS']",
        )
    if not user.has_perm(VIEW_METRICS):
        raise Refusal(403, "not_permitted", f"The user lacks the permission {VIEW_METRICS}")


def _not_allowed(request: HttpRequest) -> HttpResponseBase:
    text = f"{request.method} changes nothing here; GET is wanted"
    return Refusal(405, "method_not_allowed", text).as_response(Allow=", ".join(READING))


def _outside_transactions(view: View) -> View:
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view

"""Who may read the feed: bearers of a token, and users of what they may view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.contrib.auth import get_permission_codename
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.views.answers import Refusal

__all__ = ["bearer_token", "is_among", "permitted_labels", "viewable_labels"]


def bearer_token(request: HttpRequest) -> str | None:
    """Return the token of the ``Authorization`` header, None where the request has none of that kind."""
    kind, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def is_among(token: str, tokens: Sequence[str]) -> bool:
    """Say whether a token is one of those; each is compared, in a time that does not tell how much of it was right."""
    # Not any(): that would end at the first that fits.
    return sum(constant_time_compare(token, known) for known in tokens) > 0


def permitted_labels(request: HttpRequest) -> tuple[str, ...] | None:
    """
    Return the entity types that the session's user has ``view`` on, None for all, models that are gone among them.

    Raises:
        Refusal: Nobody is logged in, or nothing may be viewed.
    """
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_active:
        raise Refusal(
            401,
            "not_authenticated",
            "Log in, or send 'Authorization: Bearer TOKEN' with one of CLEAN_TIMESTAMPS['FEED_TOKENS']",
        )
    labels = viewable_labels(user)
    if labels == ():
        raise Refusal(403, "not_permitted", "The user has no 'view' permission on any model whose changes are logged")
    return labels


def viewable_labels(user: Any) -> tuple[str, ...] | None:
    """Return the entity types that a user has ``view`` on, None for all, models that are gone among them."""
    if user.is_superuser:
        return None
    return tuple(
        model._meta.label_lower
        for model in apps.get_models()
        if issubclass(model, BaseTimestampEntity) and not model._meta.proxy and _may_view(user, model)
    )


def _may_view(user: Any, model: type[BaseTimestampEntity]) -> bool:
    codename = get_permission_codename("view", model._meta)
    return bool(user.has_perm(f"{model._meta.app_label}.{codename}"))

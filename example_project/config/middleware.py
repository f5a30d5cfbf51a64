"""A strict Content-Security-Policy for every page of the example, the admin's too."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)


class ContentSecurityPolicyMiddleware:
    """Adds the policy to every answer but Django's own error pages, which need inline styles."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the answer with the policy on it."""
        response = self.get_response(request)
        if response.status_code < 400:
            response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

"""Answers in JSON, and what their errors look like."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse

__all__ = ["Refusal", "answer"]


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of the program
    """
    A request that is answered by an error.

    Attributes:
        status: The HTTP status.
        code: What programs tell errors apart by; documented, and never changed.
        text: What was found, what was wanted and the way out.
    """

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text

    def as_response(self, **headers: str) -> JsonResponse:
        """Return the answer; one to bad or missing credentials says which are wanted."""
        response = answer({"error": self.code, "detail": self.text}, status=self.status)
        for name, value in headers.items():
            response[name] = value
        if self.status == 401:
            response["WWW-Authenticate"] = 'Bearer realm="clean_timestamps"'
        return response


def answer(content: dict[str, Any], *, status: int = 200) -> JsonResponse:
    """Return the content as JSON that no cache keeps."""
    response = JsonResponse(content, status=status)
    response["Cache-Control"] = "no-store"
    response["Vary"] = "Authorization, Cookie"
    return response

"""A visit to the running site: the pages that matter, and a login."""

from http.cookiejar import CookieJar
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

from django.urls import reverse

from codebase.models import Repository
from demo.account import PASSWORD, USERNAME
from tracker.models import Project, Task

TIMEOUT_SECONDS = 30


class Visit(NamedTuple):
    """A page and a text that must be on it."""

    path: str
    text: str


def visits() -> list[Visit]:
    """Return the pages to look at, of the first project, task, repository and file there are."""
    project, task = Project.objects.earliest("pk"), Task.objects.earliest("pk")
    repository = Repository.objects.earliest("pk")
    file = repository.files.earliest("pk")
    return [
        Visit(reverse("tracker:project_list"), project.name),
        Visit(project.get_absolute_url(), project.name),
        Visit(task.get_absolute_url(), task.title),
        Visit(reverse("codebase:repository_list"), repository.name),
        Visit(repository.get_absolute_url(), repository.name),
        Visit(file.get_absolute_url(), file.path),
        Visit(reverse("admin:login"), "csrfmiddlewaretoken"),
    ]


def visit_all(address: str) -> list[str]:
    """
    Request each page, log in to the admin as the demo's user, and return what was wrong.

    Args:
        address: The site's address, without a slash at its end.
    """
    browser = _Browser(address)
    faults = [fault for path, text in visits() if (fault := browser.look(path, text))]
    login, index = reverse("admin:login"), reverse("admin:index")
    fault = browser.look(
        login,
        reverse("admin:tracker_task_changelist"),
        username=USERNAME,
        password=PASSWORD,
        next=index,
    )
    return [*faults, fault] if fault else faults


class _Browser:
    def __init__(self, address: str) -> None:
        self.address = address
        self.cookies = CookieJar()
        # The proxies of the environment are not for the loopback.
        self.opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(self.cookies))

    def look(self, path: str, text: str, **form: str) -> str:
        """Return what is wrong with a page; a form is posted with the token that the site gave."""
        data = None
        if form:
            tokens = [cookie.value for cookie in self.cookies if cookie.name == "csrftoken"]
            data = urlencode(form | {"csrfmiddlewaretoken": "".join(map(str, tokens))}).encode()
        request = Request(self.address + path, data=data)
        try:
            with self.opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                body = response.read().decode()
        except HTTPError as error:
            return f"{path} answered {error.code}"
        except OSError as error:
            return f"{path} did not answer: {error}"
        return "" if text in body else f"{path} does not show {text!r}"

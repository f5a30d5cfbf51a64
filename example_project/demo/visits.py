"""A visit to the running site: the pages that matter, a login, and a write whose event the handlers hear."""

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
REASON = "asked for by a visitor"


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
        Visit(reverse("tracker:activity"), "Show newer"),
        Visit(reverse("tracker:newer_activity"), project.name),
        Visit(reverse("codebase:repository_list"), repository.name),
        Visit(repository.get_absolute_url(), repository.name),
        Visit(file.get_absolute_url(), file.path),
        Visit(reverse("tracker:delivery"), "tracker.count_changes"),
        Visit(reverse("admin:login"), "csrfmiddlewaretoken"),
    ]


def visit_all(address: str) -> list[str]:
    """
    Request each page, log in to the admin as the demo's user, touch a task, and return what was wrong.

    Args:
        address: The site's address, without a slash at its end.
    """
    browser = _Browser(address)
    looks = [browser.look(path, text) for path, text in visits()]
    login, index = reverse("admin:login"), reverse("admin:index")
    looks.append(
        browser.look(
            login,
            reverse("admin:tracker_task_changelist"),
            username=USERNAME,
            password=PASSWORD,
            next=index,
        )
    )
    touch = reverse("tracker:touch_task", args=[Task.objects.earliest("pk").pk])
    looks.append(browser.look(touch, REASON, reason=REASON))
    return [fault for fault in looks if fault]


def unheard_visit() -> list[str]:
    """Return a sentence where the Celery task that is sent for a touch has not told the assignee of the visitor's."""
    task = Task.objects.earliest("pk")
    is_told = task.notifications.filter(reason=REASON).exists()
    return [] if is_told else [f"nobody has told {task.assignee} that “{task}” was touched"]


def visit_what_was_heard(address: str) -> list[str]:
    """
    Request the pages that show what handlers made of the touch, once all of them have heard of it.

    Args:
        address: The site's address, without a slash at its end.
    """
    task = Task.objects.earliest("pk")
    browser = _Browser(address)
    pages = {reverse("tracker:project_list"): REASON, task.get_absolute_url(): f"{task.assignee} was told"}
    return [fault for path, text in pages.items() if (fault := browser.look(path, text))]


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

import asyncio
import tempfile

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.test import AsyncRequestFactory, RequestFactory

from django_clean_timestamps.context.frame import EMPTY_FRAME, current_frame
from django_clean_timestamps.middleware import TimestampContextMiddleware
from django_clean_timestamps.testing import capture_events
from tests.testapp.models import Note

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


def frame_within(user=None, **headers):
    """Return the frame that a view sees, after its request is over."""
    request = RequestFactory().get("/", headers={name.replace("_", "-"): value for name, value in headers.items()})
    seen = []

    def view(request):
        if user is not None:
            request.user = user
        seen.append(current_frame())
        return HttpResponse()

    TimestampContextMiddleware(view)(request)
    assert current_frame() is EMPTY_FRAME
    return seen[0]


def test_the_actor_is_the_key_of_the_user_as_text():
    assert frame_within(User(pk=7)).actor_text() == "7"


def test_an_anonymous_user_is_nobody():
    assert frame_within(AnonymousUser()).actor_text() == ""


def test_a_request_without_a_user_has_no_actor():
    assert frame_within().actor_text() == ""


@pytest.mark.django_db
def test_the_user_is_not_loaded_until_an_event_needs_it(django_assert_num_queries):
    request = RequestFactory().get("/")
    chain = SessionMiddleware(AuthenticationMiddleware(TimestampContextMiddleware(lambda request: HttpResponse())))
    request.COOKIES["sessionid"] = "x" * 32
    with django_assert_num_queries(0):
        chain(request)


@pytest.mark.django_db
def test_a_write_in_the_view_carries_actor_and_correlation_id():
    def view(request):
        request.user = User(pk=7)
        Note.objects.create()
        return HttpResponse()

    with capture_events() as events:
        TimestampContextMiddleware(view)(RequestFactory().get("/", headers={"traceparent": TRACEPARENT}))
    assert [(event.actor, event.correlation_id) for event in events] == [("7", TRACE_ID)]


@pytest.mark.parametrize(
    "traceparent", [TRACEPARENT, f"cc-{TRACE_ID}-00f067aa0ba902b7-01-what-the-future-will-be-like"]
)
def test_the_correlation_id_is_the_trace_id_of_a_valid_traceparent(traceparent):
    assert frame_within(traceparent=traceparent, X_Request_ID="r-1").correlation_id == TRACE_ID


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "nonsense",
        TRACEPARENT.upper(),
        f"{TRACEPARENT}-more",
        f"{TRACEPARENT}\n",
        f"{TRACEPARENT},{TRACEPARENT}",
        f"ff-{TRACE_ID}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID[1:]}-00f067aa0ba902b7-01",
    ],
)
def test_an_invalid_traceparent_gives_way_to_the_request_id(traceparent):
    assert frame_within(traceparent=traceparent, X_Request_ID="r-1").correlation_id == "r-1"


def test_a_request_id_is_cut_to_64_printable_characters():
    assert frame_within(X_Request_ID=" a\x00b\x1b" + "c" * 100).correlation_id == "ab" + "c" * 62


@pytest.mark.parametrize("given", ["", "  ", "\x01\x02"])
def test_a_request_id_of_nothing_printable_is_none(given):
    assert frame_within(X_Request_ID=given).correlation_id is None


def test_the_context_ends_with_an_exception_of_the_view():
    def view(request):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        TimestampContextMiddleware(view)(RequestFactory().get("/"))
    assert current_frame() is EMPTY_FRAME


def test_a_streaming_response_is_read_inside_the_context():
    def content():
        yield str(current_frame().correlation_id)
        yield "end"

    middleware = TimestampContextMiddleware(lambda request: StreamingHttpResponse(content()))
    parts = []
    for part in middleware(RequestFactory().get("/", headers={"X-Request-ID": "r-1"})):
        assert current_frame() is EMPTY_FRAME
        parts.append(part)
    assert parts == [b"r-1", b"end"]


@pytest.mark.django_db
def test_a_streaming_response_that_is_not_read_to_its_end_is_closed():
    closed = []

    def content():
        try:
            yield "first"
            yield "never read"
        finally:
            closed.append(True)

    middleware = TimestampContextMiddleware(lambda request: StreamingHttpResponse(content()))
    response = middleware(RequestFactory().get("/", headers={"X-Request-ID": "r-1"}))
    next(iter(response))
    response.close()
    assert closed == [True]


@pytest.mark.django_db
def test_a_file_is_left_to_the_server():
    with tempfile.TemporaryFile() as file:
        response = TimestampContextMiddleware(lambda request: FileResponse(file))(RequestFactory().get("/"))
        assert response.file_to_stream is file
        response.close()


def test_an_async_view_is_awaited_inside_the_context():
    async def view(request):
        await asyncio.sleep(0)
        return HttpResponse(current_frame().correlation_id)

    middleware = TimestampContextMiddleware(view)
    request = AsyncRequestFactory().get("/", headers={"X-Request-ID": "r-1"})

    async def respond():
        response = await middleware(request)
        assert current_frame() is EMPTY_FRAME
        return response

    assert iscoroutinefunction(middleware)
    assert asyncio.run(respond()).content == b"r-1"


def test_concurrent_async_requests_keep_their_own_context():
    async def view(request):
        await asyncio.sleep(0.01)
        return HttpResponse(current_frame().correlation_id)

    middleware = TimestampContextMiddleware(view)

    async def respond():
        requests = [AsyncRequestFactory().get("/", headers={"X-Request-ID": f"r-{number}"}) for number in range(5)]
        return await asyncio.gather(*map(middleware, requests))

    assert [response.content for response in asyncio.run(respond())] == [b"r-0", b"r-1", b"r-2", b"r-3", b"r-4"]


def test_an_async_streaming_response_is_read_inside_the_context():
    async def content():
        yield str(current_frame().correlation_id)
        await asyncio.sleep(0)
        yield "end"

    async def view(request):
        return StreamingHttpResponse(content())

    async def read():
        request = AsyncRequestFactory().get("/", headers={"X-Request-ID": "r-1"})
        response = await TimestampContextMiddleware(view)(request)
        return [part async for part in response]

    assert asyncio.run(read()) == [b"r-1", b"end"]


@pytest.mark.django_db(transaction=True)
def test_a_write_of_an_async_view_carries_the_user():
    user = User.objects.create_user("ada")

    async def view(request):
        request.user = user
        await sync_to_async(Note.objects.create)()
        return HttpResponse()

    async def respond():
        with capture_events() as events:
            await TimestampContextMiddleware(view)(AsyncRequestFactory().get("/"))
        return events

    # Here Django's own thread writes, so no connection is left open.
    assert [event.actor for event in async_to_sync(respond)()] == [str(user.pk)]

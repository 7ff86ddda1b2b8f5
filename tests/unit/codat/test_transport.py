"""What is retried and what never is, counted where it arrives."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from controller.codat.client import Client, open_client
from controller.codat.transport import MAX_RETRY_S
from controller.model.errors import (
    ApiKeyRefused,
    ApiNotAnswering,
    DataNotReady,
    MerchantctlError,
    NotFound,
    OutcomeUnknown,
    PermanentError,
    RateLimited,
    Rejected,
    RemoteError,
    RemoteLimitReached,
    TransientError,
    Unauthorized,
    UsageError,
)
from controller.model.observed import Absent
from tests.environments import hurried_sleep
from tests.narrowing import expect, present
from tests.unit.codat.raw_server import DROP, RawServer, answer
from tests.unit.codat.virtual_time import run

KEY = "example-api-key-0001"
PROOF = "GET /meta/companies?page=1&pageSize=1"
COMPANY = {"id": "c1", "name": "acme", "dataConnections": []}
DOCUMENT = b'{"companyId": "c1", "enabled": true}'

WRITES = {
    "POST /meta/companies/sync": lambda client: client.create_company("acme"),
    "DELETE /companies/c1": lambda client: client.delete_company("c1"),
    "POST /meta/companies/c1/connections": lambda client: client.create_connection("c1", "gbol"),
    "PATCH /meta/companies/c1/connections/x1": lambda client: client.unlink_connection("c1", "x1"),
    "POST /config/companies/c1/sync/commerce": lambda client: client.set_configuration("c1", DOCUMENT),
    "POST /companies/c1/data/all": lambda client: client.refresh("c1"),
    "POST /companies/c1/data/queue/customers": lambda client: client.refresh_type("c1", "customers"),
}

UNREADABLE = {
    "empty": answer(200),
    "cut short": answer(200, b'{"id": "c1", "companyId": "c1", "na'),
    "garbage": answer(200, b"\x00\xff<html>"),
    "a list": answer(200, []),
    "another company's": answer(200, {"id": "c2", "companyId": "c2"}),
}


def open_at(raw: RawServer) -> AbstractAsyncContextManager[Client]:
    return open_client(raw.url, KEY, requests_per_minute=0, sleep=hurried_sleep)


async def test_the_key_by_itself_is_the_credential(raw: RawServer) -> None:
    raw.usual = answer(200, COMPANY)
    async with open_at(raw) as client:
        await client.company("c1")
    assert f"authorization: Basic {b64encode(KEY.encode()).decode()}\r\n" in raw.heads[0]


async def test_the_platform_is_sent_as_a_bare_json_string(raw: RawServer) -> None:
    raw.usual = answer(200, {"id": "x1"})
    async with open_at(raw) as client:
        await client.create_connection("c1", "gbol")
    assert raw.bodies == [b'"gbol"']
    assert "content-type: application/json\r\n" in raw.heads[0]


@pytest.mark.parametrize("write", WRITES)
async def test_a_write_whose_answer_is_lost_is_never_sent_again(raw: RawServer, write: str) -> None:
    raw.script, raw.usual = [answer(200, COMPANY), DROP], DROP
    async with open_at(raw) as client:
        await client.company("c1")  # a connection that was used before is where libraries send twice
        with pytest.raises(OutcomeUnknown, match="look before asking again"):
            await WRITES[write](client)
    assert raw.seen[1:] == [write]


async def test_a_rename_whose_answer_is_lost_is_never_sent_again(raw: RawServer) -> None:
    raw.script, raw.usual = [answer(200, COMPANY)], DROP
    async with open_at(raw) as client:
        with pytest.raises(OutcomeUnknown):
            await client.rename_company("c1", "new")
    assert raw.seen == ["GET /companies/c1", "PUT /companies/c1"]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("status", [408, 500, 502, 503])
async def test_a_write_that_the_service_failed_at_may_have_been_done(raw: RawServer, write: str, status: int) -> None:
    raw.usual = answer(status, b"<html>gateway</html>")
    async with open_at(raw) as client:
        with pytest.raises(OutcomeUnknown, match=str(status)):
            await WRITES[write](client)
    assert raw.seen == [write]


@pytest.mark.parametrize("reply", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_configuration_write_with_an_unreadable_success_may_have_been_done(
    raw: RawServer, reply: bytes
) -> None:
    raw.usual = reply
    async with open_at(raw) as client:
        with pytest.raises(OutcomeUnknown):
            await client.set_configuration("c1", DOCUMENT)
    assert len(raw.seen) == 1


@pytest.mark.parametrize("write", WRITES)
async def test_a_write_refused_by_429_was_not_done_and_is_sent_again(raw: RawServer, write: str) -> None:
    stored = {"id": "c1", "companyId": "c1"}
    raw.script, raw.usual = [answer(429, Retry_After="0")], answer(200, stored)
    async with open_at(raw) as client:
        await WRITES[write](client)
        assert (client.reads, client.writes) == (0, 2)
    assert raw.seen == [write, write]


async def changed_document(api: Client) -> bytes:
    """A story for `read_then_write`: the document as it is read now, with one field more."""
    fresh = json.loads(await api.configuration("c1"))
    return await api.set_configuration("c1", json.dumps({**fresh, "ours": 1}).encode())


async def test_after_a_429_the_document_is_read_again_before_it_is_written(raw: RawServer) -> None:
    """Somebody changes it in the portal while the write waits: what they did is in what is sent."""
    edited = answer(200, {"companyId": "c1", "enabled": True, "theirs": 2})
    raw.script = [answer(200, DOCUMENT), answer(429, Retry_After="0"), edited, answer(200, DOCUMENT)]
    async with open_at(raw) as client:
        await client.read_then_write(changed_document)
    read, write = "GET /config/companies/c1/sync/commerce", "POST /config/companies/c1/sync/commerce"
    assert raw.seen == [read, write, read, write]
    assert json.loads(raw.bodies[-1]) == {"companyId": "c1", "enabled": True, "theirs": 2, "ours": 1}


async def test_while_the_service_is_busy_a_write_that_was_read_for_is_not_sent_at_all(raw: RawServer) -> None:
    """The 429 of somebody else, between a read and its write."""

    both = {"id": "c1", "companyId": "c1", "name": "acme", "dataConnections": []}
    others: list[asyncio.Task[object]] = []

    async def busy_meanwhile(api: Client) -> bytes:
        fresh = await api.configuration("c1")
        if not others:
            raw.script = [answer(429, Retry_After="0.6", X_Rate_Limit_Remaining="1000")]
            others.append(asyncio.ensure_future(client.company("c1")))
            for _ in range(1000):
                if client.quota:  # the 429 has come: the pause that it asks for has begun
                    break
                await asyncio.sleep(0.01)
        return await api.set_configuration("c1", fresh)

    raw.usual = answer(200, both)
    async with open_at(raw) as client:
        await client.read_then_write(busy_meanwhile)
        await asyncio.gather(*others)
    ours = [seen.split()[0] for seen in raw.seen if "/config/" in seen]
    assert ours == ["GET", "GET", "POST"]


async def test_a_read_that_fails_once_is_asked_again_and_its_write_still_follows_it(raw: RawServer) -> None:
    raw.script = [answer(503), answer(200, DOCUMENT)]
    raw.usual = answer(200, DOCUMENT)
    async with open_client(raw.url, KEY, requests_per_minute=3, concurrency=1) as client:
        await client.read_then_write(changed_document)
    assert [seen.split()[0] for seen in raw.seen] == ["GET", "GET", "POST"]


async def test_a_write_of_a_pair_whose_answer_is_lost_is_never_sent_again(raw: RawServer) -> None:
    raw.script, raw.usual = [answer(200, DOCUMENT)], DROP
    async with open_at(raw) as client:
        with pytest.raises(OutcomeUnknown):
            await client.read_then_write(changed_document)
    assert [seen.split()[0] for seen in raw.seen] == ["GET", "POST"]


RETRY_AFTERS = ["0", "-7", "Mon, 01 Jan 2001 00:00:00 GMT", "soon", "nan", "1e400", "9" * 400]


@pytest.mark.parametrize("retry_after", RETRY_AFTERS, ids=lambda text: text[:30])
async def test_a_429_is_never_hammered_whatever_it_says_of_the_wait(raw: RawServer, retry_after: str) -> None:
    raw.usual = answer(429, Retry_After=retry_after)
    async with open_client(raw.url, KEY, requests_per_minute=0, concurrency=3, sleep=hurried_sleep) as client:
        asks = [client.set_configuration("c1", DOCUMENT), client.configuration("c1"), client.company("c1")]
        await asyncio.wait([asyncio.ensure_future(each) for each in asks], timeout=1.9)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel() if task.get_coro() in asks else None
    assert len(raw.seen) <= 12


@pytest.mark.parametrize("retry_after", ["1e300", "253402300799", "Fri, 31 Dec 9999 23:59:59 GMT", "1e11", "86400000"])
async def test_a_wait_beyond_all_measure_is_a_day_at_most(raw: RawServer, retry_after: str) -> None:
    raw.usual = answer(429, Retry_After=retry_after)
    async with open_at(raw) as client:
        with pytest.raises(RemoteLimitReached) as caught:
            await client.company("c1")
    assert present(caught.value.resume_at) - datetime.now(UTC) <= timedelta(days=1, seconds=1)
    assert len(raw.seen) == 1


async def test_a_write_that_never_left_says_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with open_client(url, KEY) as client:
            with pytest.raises(TransientError, match="not sent") as caught:
                await client.create_company("acme")
    assert caught.value.not_sent
    assert type(caught.value) is TransientError


@pytest.mark.parametrize(
    "hiccup",
    [DROP, answer(500), answer(503, Retry_After="0"), answer(408), answer(429, Retry_After="0"), *UNREADABLE.values()],
)
async def test_a_read_is_asked_again(raw: RawServer, hiccup: bytes) -> None:
    raw.script, raw.usual = [hiccup, hiccup], answer(200, DOCUMENT)
    async with open_at(raw) as client:
        assert await client.configuration("c1") == DOCUMENT
        assert client.reads == len(raw.seen) == 3


async def test_a_read_is_not_asked_for_ever(raw: RawServer) -> None:
    raw.usual = answer(503, {"statusCode": 503, "error": "Offline for maintenance.", "correlationId": "abc"})
    async with open_at(raw) as client:
        with pytest.raises(
            TransientError, match=r"GET /companies/c1: 503 Offline for maintenance\. \(correlation id abc\)"
        ):
            await client.company("c1")
    assert len(raw.seen) == 5


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (402, RemoteLimitReached),
        (404, NotFound),
        (405, PermanentError),
        (409, DataNotReady),
        (302, PermanentError),
        (422, PermanentError),
    ],
)
async def test_a_refusal_is_typed_and_not_asked_again(raw: RawServer, status: int, kind: type[RemoteError]) -> None:
    raw.usual = answer(status, {"statusCode": status, "error": "No.", "correlationId": "abc"})
    async with open_at(raw) as client:
        for ask in (client.configuration("c1"), client.create_company("acme")):
            with pytest.raises(kind) as caught:
                await ask
            assert (caught.value.status, caught.value.correlation_id) == (status, "abc")
    assert len(raw.seen) == 2


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_is_refused_where_a_request_about_no_merchant_is_refused_too(raw: RawServer, status: int) -> None:
    raw.usual = answer(status, {"error": "No."})
    async with open_at(raw) as client:
        for ask in (client.configuration, client.refresh):
            with pytest.raises(ApiKeyRefused, match="check the API key"):
                await ask("c1")
    assert raw.seen == [
        "GET /config/companies/c1/sync/commerce",
        PROOF,
        "POST /companies/c1/data/all",
        PROOF,
    ]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_about_one_merchant_leaves_the_key_good_and_proves_it_once(raw: RawServer, status: int) -> None:
    raw.script = [answer(status, {"error": "No."}), answer(200, {"results": [], "totalResults": 0})]
    raw.usual = answer(status, {"error": "No."})
    async with open_at(raw) as client:
        for ask in (client.configuration, client.refresh, client.company):
            with pytest.raises(Unauthorized, match=f"{status} No.$"):
                await ask("c1")
    assert raw.seen.count(PROOF) == 1


async def test_a_key_that_is_refused_after_the_clock_was_put_back_is_noticed_at_once(raw: RawServer) -> None:
    now = [datetime(2026, 12, 1, 12, tzinfo=UTC)]
    raw.script = [answer(403, {"error": "No."}), answer(200, {"results": [], "totalResults": 0})]
    raw.usual = answer(403, {"error": "No."})
    async with open_client(raw.url, KEY, requests_per_minute=0, clock=lambda: now[0]) as client:
        with pytest.raises(Unauthorized):
            await client.configuration("c1")
        now[0] -= timedelta(hours=1)
        with pytest.raises(ApiKeyRefused):
            await client.configuration("c1")


async def test_a_key_that_was_changed_is_sent_from_then_on_and_neither_is_ever_shown(raw: RawServer) -> None:
    raw.usual = answer(401, {"error": f"No such key: {KEY}, another-key-0002."})
    async with open_at(raw) as client:
        client.use_key("another-key-0002")
        with pytest.raises(ApiKeyRefused) as caught:
            await client.companies()
    assert f"authorization: Basic {b64encode(b'another-key-0002').decode()}\r\n" in raw.heads[0]
    assert not {KEY, "another-key-0002"} & set(re.findall(r"[a-z0-9-]+", str(caught.value)))


async def test_after_twenty_reads_in_a_row_without_an_answer_nothing_more_is_asked_than_once(raw: RawServer) -> None:
    raw.usual = answer(503, {"error": "Offline for maintenance."})
    async with open_at(raw) as client:
        for number in range(19):
            with pytest.raises(TransientError):
                await client.company(f"c{number}")
        asked = len(raw.seen)
        with pytest.raises(
            ApiNotAnswering, match=r"20 reads in a row were not answered.*GET /companies/c19: 503 Offline"
        ):
            await client.company("c19")
    assert asked == 20 + 15
    assert len(raw.seen) == asked + 1


@pytest.mark.parametrize("status", [302, 400])
async def test_one_answer_closes_the_breaker_again(raw: RawServer, status: int) -> None:
    raw.usual = answer(status)  # not the API's own words: a gateway's, which answers in its place
    async with open_at(raw) as client:
        for kind in (*[PermanentError] * 19, ApiNotAnswering):
            with pytest.raises(kind):
                await client.company("c1")
        assert len(raw.seen) == 20
        raw.script = [answer(404, {"statusCode": 404, "error": "No company was found with ID c1"})]
        assert isinstance(await client.company("c1"), Absent)
        with pytest.raises(PermanentError):
            await client.company("c1")


async def test_a_rejection_carries_every_message(raw: RawServer) -> None:
    items = [{"message": "No schedule selected frequency."}, {"message": "No grouping period selected."}]
    words = {"statusCode": 400, "error": "No schedule selected frequency.", "validation": {"errors": items}}
    raw.usual = answer(400, words)
    async with open_at(raw) as client:
        with pytest.raises(Rejected, match=r"frequency\.; No grouping period selected\.$") as caught:
            await client.set_configuration("c1", DOCUMENT)
    assert caught.value.messages == ("No schedule selected frequency.", "No grouping period selected.")


@pytest.mark.parametrize("items", [[{"itemId": "schedule"}], [{"message": None}], [None], {}])
async def test_a_rejection_whose_details_say_nothing_is_codats_own_all_the_same(raw: RawServer, items: object) -> None:
    """Without messages it would be a gateway's, and some of these in a row the end of everybody's reads."""
    raw.usual = answer(400, {"statusCode": 400, "error": "No.", "validation": {"errors": items}})
    async with open_at(raw) as client:
        for _ in range(21):
            with pytest.raises(Rejected) as caught:
                await client.company("c1")
    assert caught.value.messages == ("No.",)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"error": 7, "validation": {"errors": [null]}}', b"[" * 99999]
)
async def test_an_error_body_may_be_anything(raw: RawServer, body: bytes) -> None:
    raw.usual = answer(400, body)
    async with open_at(raw) as client:
        with pytest.raises(Rejected, match="POST /meta/companies/sync: 400"):
            await client.create_company("acme")


async def test_a_429_that_asks_for_hours_ends_the_run_with_the_time_to_resume(raw: RawServer) -> None:
    raw.usual = answer(429, Retry_After="7200")
    async with open_at(raw) as client:
        with pytest.raises(RemoteLimitReached) as caught:
            await client.company("c1")
    left = present(caught.value.resume_at) - datetime.now(UTC)
    assert timedelta(minutes=119) < left <= timedelta(hours=2, seconds=1)
    assert len(raw.seen) == 1


async def test_once_the_headers_say_that_nothing_is_left_until_tomorrow_nothing_more_is_sent(raw: RawServer) -> None:
    reset = datetime.now(UTC) + timedelta(hours=9)
    raw.usual = answer(
        200, DOCUMENT, X_Rate_Limit_Limit="1000", X_Rate_Limit_Remaining="0", X_Rate_Limit_Reset=reset.isoformat()
    )
    async with open_at(raw) as client:
        await client.configuration("c1")
        for ask in (client.configuration("c1"), client.create_company("acme")):
            with pytest.raises(RemoteLimitReached, match="not sent") as caught:
                await ask
            assert abs(present(caught.value.resume_at) - reset) < timedelta(seconds=2)
        quota = present(client.quota)
        assert (quota.remaining, quota.limit) == (0, 1000)
    assert len(raw.seen) == 1


def open_on_wire(
    respond: Callable[[httpx.Request], httpx.Response], concurrency: int = 16
) -> AbstractAsyncContextManager[Client]:
    """A client whose wire is no socket, for stories in virtual time."""

    @asynccontextmanager
    async def network(base_url: str, concurrency: int) -> AsyncIterator[httpx.AsyncBaseTransport]:
        yield httpx.MockTransport(respond)

    return open_client("http://api.example", KEY, requests_per_minute=0, concurrency=concurrency, network=network)


def test_a_busy_service_is_asked_until_the_patience_of_one_request_ends() -> None:
    asked: list[httpx.Request] = []

    def busy(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(429, headers={"Retry-After": "30"})

    async def story() -> None:
        async with open_on_wire(busy) as client:
            with pytest.raises(RateLimited) as caught:
                await client.company("c1")
        assert caught.value.retry_at is not None

    run(story())
    assert len(asked) == MAX_RETRY_S // 30 + 1


def test_a_service_that_was_busy_for_long_and_then_fails_once_is_asked_again() -> None:
    """A 429 is no failed attempt."""
    answers = [*(httpx.Response(429, headers={"Retry-After": "1"}) for _ in range(6)), httpx.Response(503)]

    def respond(request: httpx.Request) -> httpx.Response:
        return answers.pop(0) if answers else httpx.Response(200, json=COMPANY)

    async def story() -> None:
        async with open_on_wire(respond) as client:
            assert not isinstance(await client.company("c1"), Absent)

    run(story())


def test_while_a_pair_waits_to_be_tried_again_others_have_its_place() -> None:
    answered_at: dict[str, float] = {}
    answers = [httpx.Response(503, headers={"Retry-After": "60"})]

    def respond(request: httpx.Request) -> httpx.Response:
        answered_at[request.url.path] = asyncio.get_running_loop().time()
        if request.url.path == "/companies/c1":
            return httpx.Response(200, json=COMPANY)
        return answers.pop() if answers else httpx.Response(200, content=DOCUMENT)

    async def story() -> None:
        async with open_on_wire(respond, concurrency=1) as client:
            await asyncio.gather(client.read_then_write(changed_document), client.company("c1"))

    run(story())
    assert answered_at["/companies/c1"] < 60 <= answered_at["/config/companies/c1/sync/commerce"]


def test_a_request_that_waits_while_the_key_is_changed_is_sent_with_the_new_one() -> None:
    sent: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["Authorization"])
        return (
            httpx.Response(429, headers={"Retry-After": "30"}) if len(sent) == 1 else httpx.Response(200, json=COMPANY)
        )

    async def story() -> None:
        async with open_on_wire(respond) as client:
            asking = asyncio.ensure_future(client.company("c1"))
            await asyncio.sleep(10)
            client.use_key("another-key-0002")
            await asking

    run(story())
    assert sent == [f"Basic {b64encode(key.encode()).decode()}" for key in (KEY, "another-key-0002")]


def test_a_key_that_was_changed_between_a_read_and_its_write_is_shown_by_neither() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, content=DOCUMENT)
        return httpx.Response(422, json={"error": "another-key-0002 may not do that."})

    async def story() -> None:
        async with open_on_wire(respond) as client:

            async def read_and_write(api: Client) -> None:
                document = await api.configuration("c1")
                client.use_key("another-key-0002")
                await api.set_configuration("c1", document)

            with pytest.raises(PermanentError, match=r"\*\*\* may not do that"):
                await client.read_then_write(read_and_write)

    run(story())


def test_a_write_that_others_429_keeps_from_being_sent_makes_nobody_wait_longer_than_that_asks_for() -> None:
    """Each such pair has been asked to wait for no longer itself, however often it was kept from its write."""
    others_429s = 8

    def respond(request: httpx.Request) -> httpx.Response:
        nonlocal others_429s
        if request.url.path == "/companies/c1" and others_429s:
            others_429s -= 1
            return httpx.Response(429, headers={"Retry-After": "1"})
        return httpx.Response(200, json={**COMPANY, "companyId": "c1"})

    async def story() -> float:
        async with open_on_wire(respond) as client:

            async def busy_meanwhile(api: Client) -> bytes:
                document = await api.configuration("c1")
                if others_429s:
                    other = asyncio.ensure_future(client.company("c1"))
                    await asyncio.sleep(0.1)
                    other.cancel()
                return await api.set_configuration("c1", document)

            await client.read_then_write(busy_meanwhile)
            return asyncio.get_running_loop().time()

    assert run(story()) < 15


@pytest.mark.parametrize(("status", "error"), [(429, None), (401, ApiKeyRefused), (400, Rejected)], ids=str)
def test_what_a_status_says_of_a_write_holds_though_its_sentence_breaks_off(
    status: int, error: type[MerchantctlError] | None
) -> None:
    """It was refused, and has not to be looked for."""
    asked: list[httpx.Request] = []

    async def broken() -> AsyncIterator[bytes]:
        yield b'{"error": "Too'
        raise httpx.ReadError("connection reset")

    def refusing(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        is_refused = len(asked) == 1 or status == 401
        return httpx.Response(status, content=broken()) if is_refused else httpx.Response(200, json=COMPANY)

    async def story() -> None:
        async with open_on_wire(refusing) as client:
            if error:
                with pytest.raises(error):
                    await client.create_company("acme")
            else:
                await client.create_company("acme")

    run(story())
    assert len(asked) == (1 if status == 400 else 2)


def test_an_answer_that_drips_for_ever_is_cut_off() -> None:
    asked: list[httpx.Request] = []

    async def drops() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(1)

    def dripping(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=drops())

    async def story() -> None:
        async with open_on_wire(dripping) as client:
            with pytest.raises(OutcomeUnknown):
                await client.set_configuration("c1", DOCUMENT)

    run(story())
    assert len(asked) == 1


@pytest.mark.parametrize("url", ["", "api.codat.io", "ftp://api.codat.io", "https://user:pw@api.codat.io", "http://"])
async def test_an_unusable_base_url_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="base URL"):
        async with open_client(url, KEY):
            pass


CREDENTIAL = b64encode(KEY.encode()).decode()
SECRET_MISHAPS = {
    "echoed in an error body": answer(400, {"error": f"bad header Basic {CREDENTIAL} of {KEY}", "correlationId": KEY}),
    "echoed as a message": answer(400, {"error": "x", "validation": {"errors": [{"message": CREDENTIAL}]}}),
    "echoed as a status line": f"HTTP/1.1 {CREDENTIAL} {KEY}\r\n\r\n".encode(),
    "echoed as a header": f"HTTP/1.1 200 X\r\n{KEY} {CREDENTIAL}\r\n\r\n".encode(),
    "echoed as a number": answer(200, {"companyId": KEY, "id": CREDENTIAL}),
    "dropped": DROP,
    "refused": answer(401, {"error": KEY}),
    "not encoded as said": answer(200, KEY.encode(), Content_Encoding="gzip"),
}


@pytest.mark.parametrize("reply", SECRET_MISHAPS.values(), ids=SECRET_MISHAPS)
async def test_the_key_is_in_no_exception_traceback_or_log(
    raw: RawServer, reply: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    raw.usual = reply
    async with open_at(raw) as client:
        for ask in (_read, _write):
            with pytest.raises((RemoteError, ApiKeyRefused)) as caught:
                await ask(client)
            told = _everything_told(caught.value) + repr(client) + repr(vars(client))
            assert KEY not in told
            assert CREDENTIAL not in told
    assert KEY not in caplog.text
    assert CREDENTIAL not in caplog.text


async def _read(client: Client) -> None:
    await client.configuration("c1")


async def _write(client: Client) -> None:
    await client.set_configuration("c1", DOCUMENT)


def _everything_told(problem: MerchantctlError) -> str:
    """Text, repr, fields and traceback with the local variables of every frame of ours."""
    whole = traceback.TracebackException.from_exception(problem, capture_locals=True)
    del whole.stack[0]  # the test itself, which has the key at hand
    assert problem.__cause__ is None
    assert problem.__context__ is None
    return "".join(whole.format()) + repr(problem) + str(problem) + repr(vars(problem))


async def test_after_a_429_nobody_else_is_let_in_until_it_is_over(raw: RawServer) -> None:
    """Four are under way when it is said; the forty behind them find the door shut, and none draws another."""
    raw.usual = answer(429, Retry_After="1")
    asyncio.get_running_loop().call_later(0.5, setattr, raw, "usual", answer(200, DOCUMENT))
    async with open_client(raw.url, KEY, requests_per_minute=0, concurrency=4, sleep=hurried_sleep) as client:
        await asyncio.gather(*(client.configuration("c1") for _ in range(44)))
    assert len(raw.seen) == 48


async def test_a_429_that_asks_for_hours_sends_everyone_home(raw: RawServer) -> None:
    raw.usual = answer(429, Retry_After="7200")
    async with open_client(raw.url, KEY, requests_per_minute=0, concurrency=2, sleep=hurried_sleep) as client:
        outcomes = await asyncio.gather(*(client.company("c1") for _ in range(20)), return_exceptions=True)
    resumed = [present(expect(RemoteLimitReached, each).resume_at) for each in outcomes]
    assert all(timedelta(minutes=119) < each - datetime.now(UTC) < timedelta(minutes=121) for each in resumed)
    assert len(raw.seen) <= 2


async def test_a_service_that_is_away_for_long_is_not_waited_for(raw: RawServer) -> None:
    raw.usual = answer(503, Retry_After="3600")
    async with open_at(raw) as client:
        with pytest.raises(TransientError):
            await client.company("c1")
    assert len(raw.seen) == 1

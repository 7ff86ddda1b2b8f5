"""Keys, limits, unknown places and error bodies (API notes 1.2, 2)."""

from __future__ import annotations

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from tests.emulator import Emulator, Merchant


def basic(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        basic("wrong"),
        basic("key-of-the-tests:"),
        basic(":key-of-the-tests"),
        "key-of-the-tests",
        "Bearer key-of-the-tests",
        "Basic key-of-the-tests",
        basic("key-of-the-tests") + "=",
        "basic  " + basic("key-of-the-tests")[6:],
    ],
)
def test_anything_but_basic_and_the_key_by_itself_is_401(emulator: Emulator, header: str | None) -> None:
    with httpx.Client(base_url=emulator.url, trust_env=False) as anyone:
        answer = anyone.get("/companies", headers={} if header is None else {"Authorization": header})

    assert answer.status_code == 401
    body = answer.json()
    assert (body["statusCode"], body["service"], body["error"]) == (401, "PublicApi", "Unauthorized")
    assert body["canBeRetried"] == "Unknown"
    assert body["detailedErrorCode"] == 0
    assert len(body["correlationId"]) == 32


def test_an_outdated_key_is_403(emulator: Emulator) -> None:
    emulator.control("PATCH", "/settings", {"outdatedKeys": ["old"]})

    answer = emulator.api.get("/companies", headers={"Authorization": basic("old")})

    assert answer.status_code == 403
    assert answer.json()["error"] == ("You are using an outdated API key or a key not associated with that resource.")


def test_under_maintenance_everything_is_503(emulator: Emulator) -> None:
    emulator.control("PATCH", "/settings", {"maintenance": True})

    answer = emulator.api.get("/companies")

    assert answer.status_code == 503
    assert answer.json()["error"].startswith("The Codat API is temporarily offline for maintenance.")


def test_a_method_that_a_path_does_not_have_is_405(emulator: Emulator) -> None:
    answer = emulator.api.put("/meta/companies")

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET"


@pytest.mark.parametrize("path", ["/nowhere", "/companies/x/nothing", "/", "/meta"])
def test_an_unknown_path_is_404_with_an_ordinary_body(emulator: Emulator, path: str) -> None:
    answer = emulator.api.get(path)

    assert (answer.status_code, answer.json()["error"]) == (404, "NotFound")


def test_controls_are_refused_from_elsewhere(emulator: Emulator) -> None:
    """Reached through another address of this machine, it is no longer loopback that calls."""
    import socket

    from controller.emulator.http.server import running_emulator

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address = probe.getsockname()[0]
    with running_emulator(host="0.0.0.0") as url, httpx.Client(trust_env=False) as anyone:
        there = url.replace("127.0.0.1", address)
        assert anyone.post(f"{there}/_emulator/reset").status_code == 403
        assert anyone.get(f"{there}/companies", headers={"Authorization": basic("emulator")}).status_code == 200


@pytest.mark.parametrize("headers", [{"Host": "rebound.example"}, {"Origin": "https://stranger.example"}])
def test_a_page_of_a_stranger_reaches_neither_controls_nor_consent(emulator: Emulator, headers: dict[str, Any]) -> None:
    merchant = emulator.merchant("acme")
    link = emulator.api.get(f"/companies/{merchant['companyId']}").json()["dataConnections"][1]["linkUrl"]
    path = httpx.URL(link).raw_path.decode()
    assert emulator.api.post("/_emulator/reset", headers=headers).status_code == 403
    assert emulator.api.get("/_emulator/requests", headers=headers).status_code == 403
    assert emulator.api.post(path, data={"action": "authorize"}, headers=headers).status_code == 403
    connections = emulator.api.get(f"/companies/{merchant['companyId']}").json()["dataConnections"]
    assert {each["status"] for each in connections} == {"Linked", "PendingAuth"}


def test_pages_may_not_be_framed_and_are_what_they_say(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")
    link = emulator.api.get(f"/companies/{merchant['companyId']}").json()["dataConnections"][1]["linkUrl"]
    page = emulator.api.get(httpx.URL(link).raw_path.decode())
    assert page.status_code == 200
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


def test_headers_say_a_million_until_a_limit_is_set(emulator: Emulator) -> None:
    headers = emulator.api.get("/companies").headers

    assert (headers["X-Rate-Limit-Limit"], headers["X-Rate-Limit-Remaining"]) == ("1000000", "1000000")
    reset = datetime.fromisoformat(headers["X-Rate-Limit-Reset"])
    assert (reset.hour, reset.minute, reset.second) == (0, 0, 0)
    assert "Retry-After" not in headers


def test_an_answer_is_dated_by_the_emulated_clock_that_the_reset_is_told_by(emulator: Emulator) -> None:
    """A client of a moved clock once took the end of the minute for hours away, and the quota for used up."""
    emulator.advance("PT5H")

    dated = parsedate_to_datetime(emulator.api.get("/companies").headers["Date"])

    now = datetime.fromisoformat(emulator.control("GET", "/clock")["now"])
    assert abs((now - dated).total_seconds()) < 3


def at_the_start_of_a_minute(emulator: Emulator) -> None:
    """So that no test is cut in two by the end of one, or of a day."""
    now = datetime.fromisoformat(emulator.control("GET", "/clock")["now"])
    emulator.advance(f"PT{60 - now.second}S")


def test_a_minute_has_so_many_calls_and_then_a_new_one_begins(emulator: Emulator) -> None:
    at_the_start_of_a_minute(emulator)
    emulator.control("POST", "/limits", {"perMinute": 3})

    answers = [emulator.api.get("/companies") for _ in range(5)]

    assert [each.status_code for each in answers] == [200, 200, 200, 429, 429]
    assert [each.headers["X-Rate-Limit-Remaining"] for each in answers] == ["2", "1", "0", "0", "0"]
    refused = answers[-1]
    assert refused.headers["X-Rate-Limit-Limit"] == "3"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.json()["error"] == ("You have made too many requests in a given amount of time; please retry later.")
    emulator.advance("PT1M")
    assert emulator.api.get("/companies").status_code == 200


def test_a_day_has_so_many_calls_until_midnight_utc(emulator: Emulator) -> None:
    at_the_start_of_a_minute(emulator)
    emulator.control("POST", "/limits", {"perDay": 2})

    answers = [emulator.api.get("/companies") for _ in range(3)]

    assert [each.status_code for each in answers] == [200, 200, 429]
    now = datetime.fromisoformat(emulator.control("GET", "/clock")["now"])
    reset = datetime.fromisoformat(answers[-1].headers["X-Rate-Limit-Reset"])
    assert abs((reset - now).total_seconds() - int(answers[-1].headers["Retry-After"])) < 3
    emulator.advance(f"PT{answers[-1].headers['Retry-After']}S")
    assert emulator.api.get("/companies").headers["X-Rate-Limit-Remaining"] == "1"


def test_calls_without_the_key_use_up_no_quota(emulator: Emulator) -> None:
    emulator.control("POST", "/limits", {"perDay": 1})

    emulator.api.get("/companies", headers={"Authorization": ""})

    assert emulator.api.get("/companies").status_code == 200


@pytest.mark.waits
def test_a_company_takes_so_many_calls_at_once(emulator: Emulator) -> None:
    one, other = emulator.seed(2, "linked")
    emulator.control("POST", "/limits", {"concurrent": 2})
    emulator.fault("GET /companies/{companyId}", "delay", times=2, ms=1500)

    def get(merchant: Merchant) -> int:
        return httpx.get(
            f"{emulator.url}/companies/{merchant['companyId']}",
            headers={"Authorization": basic(emulator.api_key)},
        ).status_code

    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(get, one) for _ in range(2)]
        while sum(emulator.counts().values()) < 2:
            pass
        third, elsewhere = get(one), get(other)

    assert (third, elsewhere) == (429, 200)
    assert [each.result() for each in slow] == [200, 200]
    assert get(one) == 200


@pytest.mark.parametrize("wanted", [{"perMinute": -1}, {"perDay": "9"}, {"concurrent": True}])
def test_a_limit_that_is_no_number_is_refused(emulator: Emulator, wanted: dict[str, Any]) -> None:
    assert emulator.api.post("/_emulator/limits", json=wanted).status_code == 400

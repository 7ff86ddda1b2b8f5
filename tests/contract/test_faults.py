"""Faults on order: what was done, and what the caller gets to see."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.emulator import Emulator
from tests.errors import BROKEN_OFF

CREATE = "POST /meta/companies/sync"


def create(emulator: Emulator, name: str = "acme") -> httpx.Response:
    return emulator.api.post("/meta/companies/sync", json={"name": name})


def names(emulator: Emulator) -> list[Any]:
    return [each["name"] for each in emulator.api.get("/companies").json()["results"]]


def test_a_lost_answer_was_done(emulator: Emulator) -> None:
    emulator.fault(CREATE, "lose-answer")

    with pytest.raises(BROKEN_OFF):
        create(emulator)

    assert names(emulator) == ["acme"]
    assert emulator.counts()[CREATE] == 1


def test_a_dropped_call_was_not_done(emulator: Emulator) -> None:
    emulator.fault(CREATE, "drop")

    with pytest.raises(BROKEN_OFF):
        create(emulator)

    assert names(emulator) == []
    assert emulator.counts()[CREATE] == 1


def test_only_the_first_matches_are_hit(emulator: Emulator) -> None:
    emulator.fault(CREATE, "status", times=2, code=503)

    codes = [create(emulator).status_code for _ in range(4)]

    assert codes == [503, 503, 200, 200]
    assert emulator.control("GET", "/faults") == {"faults": []}


@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 409, 429, 500, 503])
def test_a_status_is_answered_with_the_body_of_an_error_and_nothing_done(emulator: Emulator, code: int) -> None:
    emulator.fault(CREATE, "status", code=code, retryAfter=7)

    answer = create(emulator)

    assert answer.status_code == answer.json()["statusCode"] == code
    assert answer.headers["Retry-After"] == "7"
    assert answer.headers["X-Rate-Limit-Remaining"]
    assert answer.json()["correlationId"]
    assert names(emulator) == []


def test_a_status_may_come_after_the_work(emulator: Emulator) -> None:
    emulator.fault(CREATE, "status", code=500, done=True)

    assert create(emulator).status_code == 500
    assert names(emulator) == ["acme"]


def test_a_truncated_answer_ends_before_its_length(emulator: Emulator) -> None:
    emulator.fault(CREATE, "truncate")

    with pytest.raises(BROKEN_OFF, match="body"):
        create(emulator)

    assert names(emulator) == ["acme"]


def test_a_garbled_answer_is_200_and_no_json(emulator: Emulator) -> None:
    emulator.fault(CREATE, "garbage")

    answer = create(emulator)

    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r".*"):
        answer.json()
    assert names(emulator) == ["acme"]


@pytest.mark.waits
def test_a_delayed_answer_was_done_at_once(emulator: Emulator) -> None:
    emulator.fault(CREATE, "delay", ms=5000)

    with pytest.raises(httpx.ReadTimeout):
        emulator.api.post("/meta/companies/sync", json={"name": "acme"}, timeout=httpx.Timeout(60, read=1))

    assert names(emulator) == ["acme"]


def test_latency_holds_every_answer_of_the_api(emulator: Emulator) -> None:
    emulator.control("POST", "/latency", {"ms": 60})
    begun = time.monotonic()

    emulator.api.get("/companies")

    assert time.monotonic() - begun >= 0.06


def test_a_stale_answer_is_the_world_before_the_last_write(emulator: Emulator) -> None:
    create(emulator, "one")
    create(emulator, "two")
    emulator.fault("GET /companies", "stale", times=2)

    assert names(emulator) == ["one"]
    create(emulator, "three")
    assert names(emulator) == ["one", "two"]
    assert names(emulator) == ["one", "two", "three"]


def test_a_stale_configuration_is_exactly_the_one_before(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    before = emulator.configuration(merchant)
    emulator.save(merchant, {**before, "enabled": False})
    emulator.fault("GET /config/companies/{companyId}/sync/commerce", "stale")

    assert emulator.configuration(merchant) == before
    assert emulator.configuration(merchant) == {**before, "enabled": False}


def test_a_refused_write_makes_nothing_old(emulator: Emulator) -> None:
    create(emulator, "one")
    create(emulator, "(((")
    emulator.fault("GET /companies", "stale")

    assert names(emulator) == []


def test_no_answer_is_older_than_five_seconds(emulator: Emulator) -> None:
    create(emulator, "one")
    emulator.advance("PT6S")
    emulator.fault("GET /companies", "stale")

    assert names(emulator) == ["one"]


def test_nothing_from_before_a_reset_is_ever_seen_again(emulator: Emulator) -> None:
    create(emulator, "one")
    emulator.control("POST", "/reset")
    emulator.fault("GET /companies", "stale")

    assert names(emulator) == []


def test_a_write_is_never_done_on_an_earlier_world(emulator: Emulator) -> None:
    with pytest.raises(AssertionError, match="only a GET can be stale"):
        emulator.fault("DELETE /companies/{companyId}", "stale")


def test_a_deleted_company_may_still_be_seen_in_a_stale_list(emulator: Emulator) -> None:
    company = create(emulator).json()
    emulator.api.delete(f"/companies/{company['id']}")
    emulator.fault("GET /companies/{companyId}", "stale")

    assert emulator.api.get(f"/companies/{company['id']}").json() == company
    assert emulator.api.get(f"/companies/{company['id']}").status_code == 404


def test_a_match_may_be_a_concrete_path(emulator: Emulator) -> None:
    one, two = create(emulator, "one").json(), create(emulator, "two").json()
    emulator.fault(f"GET /companies/{one['id']}", "status", code=500, times=9)

    assert emulator.api.get(f"/companies/{two['id']}").status_code == 200
    assert emulator.api.get(f"/companies/{one['id']}").status_code == 500


@pytest.mark.parametrize("match", ["GET /companies/{id}", "GET /companies/{companyId}/"])
def test_the_name_of_a_parameter_and_a_trailing_slash_make_no_difference(emulator: Emulator, match: str) -> None:
    company = create(emulator).json()
    emulator.fault(match, "status", code=500)

    assert emulator.api.get(f"/companies/{company['id']}").status_code == 500


def test_a_spelling_is_matched_as_it_is_called(emulator: Emulator) -> None:
    emulator.fault("GET /meta/companies", "status", code=500)

    assert emulator.api.get("/companies").status_code == 200
    assert emulator.api.get("/meta/companies").status_code == 500


@pytest.mark.parametrize(
    "order",
    [
        {"match": "GET /nowhere", "do": "drop"},
        {"match": "GET /_emulator/requests", "do": "drop"},
        {"match": "PATCH /config/companies/{companyId}/sync/commerce", "do": "drop"},
        {"match": "/companies", "do": "drop"},
        {"match": "GET /companies", "do": "explode"},
        {"match": "GET /companies", "do": "drop", "times": 0},
        {"match": "GET /companies", "do": "status", "code": "500"},
        {"match": "GET /companies", "do": "status", "code": 200},
        {"do": "drop"},
    ],
)
def test_a_fault_that_could_never_happen_is_refused(emulator: Emulator, order: dict[str, Any]) -> None:
    answer = emulator.api.post("/_emulator/faults", json=order)

    assert answer.status_code == 400
    assert answer.json()["error"]


def test_faults_can_be_taken_back(emulator: Emulator) -> None:
    emulator.fault(CREATE, "drop", times=3)
    emulator.control("DELETE", "/faults")

    assert create(emulator).status_code == 200


def test_a_fault_may_let_some_calls_pass_first(emulator: Emulator) -> None:
    emulator.fault(CREATE, "status", skip=1, code=503)
    assert [create(emulator).status_code for _ in range(3)] == [200, 503, 200]


def test_a_gateway_speaks_for_itself(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1)
    emulator.fault("GET /companies/{companyId}", "status", code=404, html=True)

    answer = emulator.api.get(f"/companies/{merchant['companyId']}")

    assert (answer.status_code, answer.headers["content-type"][:9]) == (404, "text/html")
    assert "correlationId" not in answer.text
    assert emulator.api.get(f"/companies/{merchant['companyId']}").status_code == 200


def test_what_completes_late_is_nowhere_until_then(emulator: Emulator) -> None:
    emulator.fault(CREATE, "complete-late", seconds=12)

    with pytest.raises(BROKEN_OFF):
        create(emulator)

    assert names(emulator) == []
    emulator.advance("PT11S")
    assert names(emulator) == []
    emulator.advance("PT2S")
    assert names(emulator) == ["acme"]
    assert emulator.counts()[CREATE] == 1


def test_a_gateway_may_give_up_on_what_completes_late(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1)
    path = f"/meta/companies/{merchant['companyId']}/connections"
    emulator.fault("POST /meta/companies/{companyId}/connections", "complete-late", seconds=30, code=504)

    answer = emulator.api.post(path, json="qhyg")

    assert (answer.status_code, answer.headers["content-type"][:9]) == (504, "text/html")
    assert emulator.api.get(path).json()["totalResults"] == 2
    emulator.advance("PT31S")
    assert emulator.api.get(path).json()["totalResults"] == 3


def test_what_completes_late_is_refused_at_once_where_its_caller_may_not_ask(emulator: Emulator) -> None:
    emulator.fault(CREATE, "complete-late", seconds=1, code=504)
    answer = emulator.api.post("/meta/companies/sync", json={"name": "acme"}, headers={"Authorization": "Basic x"})
    emulator.advance("PT2S")
    assert (answer.status_code, names(emulator)) == (401, [])


def test_a_read_cannot_complete_late(emulator: Emulator) -> None:
    order = {"match": "GET /companies", "do": "complete-late", "seconds": 1}
    assert emulator.api.post("/_emulator/faults", json=order).status_code == 400

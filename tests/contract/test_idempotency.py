"""`Idempotency-Key`, as Codat came to honour it later; in the era of this flow it was passed over (1.9)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.emulator import Emulator
from tests.errors import BROKEN_OFF

KEY = {"Idempotency-Key": "0b6d8e0a-5a3a-4c39-9d0c-2f0d35b1f7aa"}


def create(
    emulator: Emulator, name: str = "acme", path: str = "/meta/companies/sync", headers: dict[str, str] = KEY
) -> httpx.Response:
    return emulator.api.post(path, json={"name": name}, headers=headers)


def total(emulator: Emulator) -> Any:
    return emulator.api.get("/companies").json()["totalResults"]


def test_the_same_key_has_the_same_answer_and_nothing_is_made_twice(emulator: Emulator) -> None:
    first, second = create(emulator), create(emulator)
    assert first.json() == second.json()
    assert total(emulator) == 1


def test_a_connection_too_is_made_once(emulator: Emulator) -> None:
    path = f"/meta/companies/{create(emulator).json()['id']}/connections"
    key = {"Idempotency-Key": "another"}
    made = [emulator.api.post(path, json="gbol", headers=key).json()["id"] for _ in range(2)]
    assert made[0] == made[1]
    assert emulator.api.get(path).json()["totalResults"] == 2


def test_after_a_lost_answer_the_key_brings_it_back(emulator: Emulator) -> None:
    emulator.fault("POST /meta/companies/sync", "lose-answer")
    with pytest.raises(BROKEN_OFF):
        create(emulator)
    assert create(emulator).status_code == 200
    assert total(emulator) == 1


@pytest.mark.parametrize("code", [400, 500])
def test_a_refusal_stays_the_answer_to_its_key(emulator: Emulator, code: int) -> None:
    if code == 400:
        assert create(emulator, name="[]").status_code == 400
        assert create(emulator, name="[]").status_code == 400
    else:
        emulator.fault("POST /meta/companies/sync", "status", code=500)
        answers = [create(emulator).status_code for _ in range(2)]
        assert answers == [500, 500]
    assert total(emulator) == 0


def test_a_429_and_a_gateways_word_are_not_kept(emulator: Emulator) -> None:
    for code in (429, 504):
        emulator.fault("POST /meta/companies/sync", "status", code=code, html=code == 504)
        assert create(emulator).status_code == code
    assert create(emulator).status_code == 200


def test_the_same_key_for_another_call_is_422(emulator: Emulator) -> None:
    create(emulator)
    assert create(emulator, name="other").status_code == 422
    assert create(emulator, path="/companies").status_code == 422


def test_while_the_first_still_runs_it_is_409_and_then_its_answer(emulator: Emulator) -> None:
    emulator.fault("POST /meta/companies/sync", "complete-late", seconds=12, code=504)
    assert create(emulator).status_code == 504
    assert create(emulator).status_code == 409
    emulator.advance("PT13S")
    assert create(emulator).status_code == 200
    assert total(emulator) == 1


def test_a_key_is_forgotten_after_90_minutes(emulator: Emulator) -> None:
    create(emulator)
    emulator.advance("PT91M")
    create(emulator)
    assert total(emulator) == 2


def test_in_the_era_of_this_flow_it_was_passed_over(emulator: Emulator) -> None:
    emulator.control("PATCH", "/settings", {"idempotencyKeys": False})
    create(emulator)
    create(emulator)
    assert total(emulator) == 2

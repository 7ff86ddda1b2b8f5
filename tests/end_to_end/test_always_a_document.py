"""`-o json` prints one document, whatever a merchant or the API answers; what is not in it is said by `complete`."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.place import GET_CONFIGURATION, Place

VERBS = (("plan",), ("drift",), ("status",), ("validate", "--online"), ("apply", "--yes"), ("refresh",))


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize("code", [401, 403])
@pytest.mark.parametrize("whose", ["one merchant's", "everybody's"])
def test_there_is_one_where_the_key_is_refused(verb: tuple[str, ...], code: int, whose: str, place: Place) -> None:
    place.provision("ann", "bob")
    path = f"GET /config/companies/{place.company('ann')['id']}/sync/commerce"
    if verb == ("refresh",):
        path = f"GET /companies/{place.company('ann')['id']}"
    if whose == "everybody's":
        path = "GET /meta/companies" if verb != ("refresh",) else "GET /companies/{companyId}"
        place.emulator.fault("GET /companies", "status", times=50, code=code)
    place.emulator.fault(path, "status", times=50, code=code)
    done = place.run_in_process(*verb, "-o", "json")
    document = json.loads(done.stdout)
    assert document["complete"] is False, done.stderr
    assert done.returncode not in (0, 2), done.stderr


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_there_is_one_where_nobody_answers(verb: tuple[str, ...], place: Place) -> None:
    place.provision("ann")
    place.emulator.fault("GET /meta/companies", "status", times=50, code=503)
    place.emulator.fault("GET /companies/{companyId}", "status", times=50, code=503)
    place.emulator.fault(GET_CONFIGURATION, "status", times=50, code=503)
    document = json.loads(place.run_in_process(*verb, "-o", "json").stdout)
    assert document["complete"] is False

"""Connections over HTTP: creation, the state machine of API notes 5.1, and what each end keeps (3.2)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator import Emulator, Merchant


def paths(merchant: Merchant) -> list[str]:
    rest = f"companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}"
    return [f"/meta/{rest}", f"/{rest}"]


def connection(emulator: Emulator, merchant: Merchant) -> Any:
    return emulator.api.get(paths(merchant)[1]).json()


def test_a_created_connection_waits_for_the_merchant(emulator: Emulator) -> None:
    company = emulator.api.post("/meta/companies/sync", json={"name": "acme"}).json()

    answer = emulator.api.post(f"/meta/companies/{company['id']}/connections", json="gbol")

    made = answer.json()
    assert answer.status_code == 200
    assert (made["status"], made["integrationKey"], made["sourceType"]) == (
        "PendingAuth",
        "gbol",
        "Accounting",
    )
    assert (made["platformName"], made["sourceId"]) == ("Xero", "8a156a5a-39cb-4f9d-856e-76ef9b9a9607")
    assert made["linkUrl"].endswith(f"/companies/{company['id']}/connections/{made['id']}/start")
    assert "lastSync" not in made
    assert "dataConnectionErrors" not in made


@pytest.mark.parametrize("prefix", ["/meta/companies", "/companies"])
@pytest.mark.parametrize("body", ["gbol", {"platformKey": "gbol"}])
def test_string_and_object_are_taken_on_both_spellings(
    emulator: Emulator, prefix: str, body: str | dict[str, Any]
) -> None:
    company = emulator.api.post("/meta/companies/sync", json={"name": "acme"}).json()

    answer = emulator.api.post(f"{prefix}/{company['id']}/connections", json=body)

    assert answer.status_code == 200


def test_strict_wants_the_object_on_the_later_spelling_only(emulator: Emulator) -> None:
    emulator.control("PATCH", "/settings", {"strict": True})
    company = emulator.api.post("/meta/companies/sync", json={"name": "acme"}).json()

    refused = emulator.api.post(f"/companies/{company['id']}/connections", json="gbol")

    assert refused.status_code == 400
    assert refused.json()["error"] == "Push object DataConnectionArgs must be provided"
    assert emulator.api.post(f"/meta/companies/{company['id']}/connections", json="gbol").status_code == 200


@pytest.mark.parametrize("body", [None, {}, {"platformKey": None}, 5, ["gbol"]])
def test_the_later_spelling_names_the_object_that_is_missing(
    emulator: Emulator, body: dict[str, None] | int | list[str] | None
) -> None:
    company = emulator.api.post("/meta/companies/sync", json={"name": "acme"}).json()

    answer = emulator.api.post(f"/companies/{company['id']}/connections", json=body)

    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "Push object DataConnectionArgs must be provided",
    )


def test_creating_is_not_idempotent(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")

    emulator.api.post(f"/meta/companies/{merchant['companyId']}/connections", json="gbol")

    listed = emulator.api.get(f"/meta/companies/{merchant['companyId']}/connections").json()
    assert listed["totalResults"] == 3
    assert listed["_links"]["self"]["href"] == f"/companies/{merchant['companyId']}/connections"


@pytest.mark.parametrize("key", ["nope", "fztf", "GBOL", ""])
def test_an_unknown_or_disabled_platform_is_404(emulator: Emulator, key: str) -> None:
    merchant = emulator.merchant("acme")

    answer = emulator.api.post(f"/meta/companies/{merchant['companyId']}/connections", json=key)

    assert answer.status_code == 404


@pytest.mark.parametrize("spelling", [0, 1])
@pytest.mark.parametrize("word", ["Unlinked", "unlinked"])
def test_a_linked_connection_can_be_unlinked(emulator: Emulator, spelling: int, word: str) -> None:
    (merchant,) = emulator.seed(1, "linked")

    answer = emulator.api.patch(paths(merchant)[spelling], json={"status": word})

    assert (answer.status_code, answer.json()["status"]) == (200, "Unlinked")
    assert connection(emulator, merchant)["id"] == merchant["accountingConnectionId"]


@pytest.mark.parametrize("state", ["PendingAuth", "Unlinked", "Deauthorized"])
def test_only_a_linked_connection_can_be_unlinked(emulator: Emulator, state: str) -> None:
    (merchant,) = emulator.seed(1, "pending" if state == "PendingAuth" else "linked")
    if state == "Unlinked":
        emulator.api.patch(paths(merchant)[0], json={"status": "Unlinked"})
    elif state == "Deauthorized":
        emulator.deauthorize(merchant)
    assert connection(emulator, merchant)["status"] == state

    assert emulator.api.patch(paths(merchant)[0], json={"status": "Unlinked"}).status_code == 400


@pytest.mark.parametrize("body", [{"status": "Linked"}, {"status": "PendingAuth"}, {"status": None}, {}, "x"])
def test_no_other_status_can_be_set(emulator: Emulator, body: str | dict[str, Any]) -> None:
    (merchant,) = emulator.seed(1, "linked")

    assert emulator.api.patch(paths(merchant)[0], json=body).status_code == 400
    assert connection(emulator, merchant)["status"] == "Linked"


@pytest.mark.parametrize("severing", ["unlink", "deauthorize"])
def test_severing_keeps_configuration_cached_data_and_options(emulator: Emulator, severing: str) -> None:
    (merchant,) = emulator.seed(1, "configured")
    before = emulator.configuration(merchant)

    if severing == "unlink":
        emulator.api.patch(paths(merchant)[0], json={"status": "Unlinked"})
    else:
        emulator.deauthorize(merchant)

    assert emulator.configuration(merchant) == before
    accounts = emulator.api.get(f"/companies/{merchant['companyId']}/data/accounts")
    assert accounts.json()["totalResults"] == 9


@pytest.mark.parametrize("severing", ["unlink", "deauthorize"])
def test_the_same_connection_can_be_linked_again(emulator: Emulator, severing: str) -> None:
    (merchant,) = emulator.seed(1, "configured")
    if severing == "unlink":
        emulator.api.patch(paths(merchant)[0], json={"status": "Unlinked"})
    else:
        emulator.deauthorize(merchant)

    linked = emulator.authorize(merchant)

    assert (linked["id"], linked["status"]) == (merchant["accountingConnectionId"], "Linked")
    assert emulator.configuration(merchant)["configured"] is True


@pytest.mark.parametrize("which", ["accountingConnectionId", "commerceConnectionId"])
def test_deleting_either_connection_removes_the_configuration(emulator: Emulator, which: str) -> None:
    (merchant,) = emulator.seed(1, "configured")
    path = f"/companies/{merchant['companyId']}/connections/{merchant[which]}"

    deleted = emulator.api.delete(path)

    assert (deleted.status_code, deleted.content) == (200, b"")
    gone = emulator.api.get(path)
    assert (gone.status_code, gone.json()["error"]) == (404, f"Data connection {merchant[which]} not found")
    assert emulator.api.delete(path).status_code == 404
    assert emulator.api.patch(path, json={"status": "Unlinked"}).status_code == 404
    document = emulator.configuration(merchant)
    assert (document["configured"], document["enabled"]) == (False, False)
    assert document["configuration"]["sales"]["accounts"]["sales"]["selectedAccountId"] is None
    company = emulator.api.get(f"/companies/{merchant['companyId']}").json()
    assert merchant[which] not in [each["id"] for each in company["dataConnections"]]


def test_deleting_the_accounting_connection_removes_its_data(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "linked")
    emulator.api.delete(paths(merchant)[1])

    assert emulator.api.get(f"/companies/{merchant['companyId']}/data/accounts").status_code in (404, 409)
    assert emulator.api.get(f"/companies/{merchant['companyId']}/dataStatus").json() == {}
    document = emulator.configuration(merchant)
    assert document["configuration"]["sales"]["accounts"]["sales"]["accountOptions"] is None


def test_a_failed_attempt_leaves_the_status_and_an_error(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme")
    path = f"/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}/fail"

    emulator.control("POST", path, {"statusCode": "500", "errorMessage": "Boom"})

    failed = connection(emulator, merchant)
    assert failed["status"] == "PendingAuth"
    (error,) = failed["dataConnectionErrors"]
    assert (error["statusCode"], error["errorMessage"]) == ("500", "Boom")
    assert error["erroredOnUtc"].endswith("Z")
    assert "dataConnectionErrors" not in emulator.authorize(merchant)


def test_credentials_by_api_link_the_connection(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme", "mqjo")
    path = f"{paths(merchant)[1]}/authorization"

    assert emulator.api.put(path).status_code == 400
    answer = emulator.api.put(path, json={"token": "secret"})

    assert (answer.status_code, answer.json()["status"]) == (200, "Linked")


def test_the_companys_platform_is_that_of_its_linked_accounting_connection(emulator: Emulator) -> None:
    merchant = emulator.merchant("acme", "qhyg")
    company = f"/companies/{merchant['companyId']}"
    assert emulator.api.get(company).json()["platform"] == ""

    emulator.authorize(merchant)

    assert emulator.api.get(company).json()["platform"] == "QuickBooks Online"


def test_a_second_linked_accounting_connection_is_told_at_configuration(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    document = emulator.configuration(merchant)
    second = emulator.api.post(f"/meta/companies/{merchant['companyId']}/connections", json="qhyg").json()
    assert second["status"] == "PendingAuth"
    assert emulator.save(merchant, document).status_code == 200

    emulator.authorize({**merchant, "accountingConnectionId": second["id"]})
    refused = emulator.save(merchant, document)

    assert refused.status_code == 400
    assert refused.json()["error"] == "Company needs to have two valid data connections."


def test_connections_can_be_queried_by_status(emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "pending")
    listing = f"/companies/{merchant['companyId']}/connections"

    found = emulator.api.get(listing, params={"query": "status=PendingAuth"}).json()

    assert [each["id"] for each in found["results"]] == [merchant["accountingConnectionId"]]

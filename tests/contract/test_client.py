"""The client against the emulator: two readings of one reference meet over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from controller.codat.client import Client, open_client
from controller.codat.document_edit import write_fields
from controller.codat.from_wire import read_configuration
from controller.codat.read_only import open_read_only_client
from controller.model.errors import (
    ApiKeyRefused,
    DataNotReady,
    NotFound,
    OutcomeUnknown,
    Rejected,
    RemoteLimitReached,
    TransientError,
)
from controller.model.field_values import Option, RefKind
from controller.model.name_matching import normalize_company_name
from controller.model.observed import REQUIRED_DATA_TYPES, Absent, BooksRecord, Company, Configuration, DataTypeStatus
from controller.model.syncs_and_uploads import TransferStatus
from tests.emulator import Emulator, Merchant
from tests.environments import hurried_sleep
from tests.narrowing import expect, present

CARD = "mapping.payments.accounts.card"


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[Client]:
    async with open_client(emulator.url, emulator.api_key, requests_per_minute=0, sleep=hurried_sleep) as client:
        yield client


async def configuration(client: Client, merchant: Merchant) -> Configuration:
    return read_configuration(await client.configuration(merchant["companyId"]), datetime.now(UTC))


# Companies


@pytest.mark.parametrize("name", ["acme", "Acme Foods (Branch[2])", "merchant_123", " Café\u00a0Zoë\u2003x ", "a\tb"])
async def test_a_company_is_stored_under_the_stripped_name(client: Client, name: str) -> None:
    company = await client.create_company(name)
    assert company.name == normalize_company_name(name)
    assert [(one.platform, one.status) for one in company.connections] == [("lqai", "Linked")]
    assert await client.company(company.id) == company


async def test_a_company_that_is_not_there_is_absent(client: Client) -> None:
    company = await client.create_company("acme")
    await client.delete_company(company.id)
    assert await client.company(company.id) == Absent()
    with pytest.raises(NotFound):
        await client.delete_company(company.id)


async def test_a_rename_sends_description_and_tags_back(emulator: Emulator, client: Client) -> None:
    company = await client.create_company("acme")
    kept = {"description": "by hand", "tags": {"tier": "gold"}}
    emulator.api.put(f"/companies/{company.id}", json={"name": "acme", **kept}).raise_for_status()

    assert await client.rename_company(company.id, "Acme (2)") == ()
    assert expect(Company, await client.company(company.id)).name == "Acme 2"

    stored = emulator.api.get(f"/companies/{company.id}").json()
    assert {key: stored[key] for key in kept} == kept


async def test_a_rename_without_description_and_tags_sends_none(emulator: Emulator, client: Client) -> None:
    company = await client.create_company("acme")
    before = emulator.api.get(f"/companies/{company.id}").json()
    await client.rename_company(company.id, "new")
    assert emulator.api.get(f"/companies/{company.id}").json() == {**before, "name": "new"}


async def test_twelve_thousand_companies_are_listed_in_three_requests(emulator: Emulator, client: Client) -> None:
    emulator.seed(12_000)
    listing = await client.companies()
    assert listing.complete
    assert len({company.id for company in listing.companies}) == 12_000
    assert emulator.counts() == {"GET /meta/companies": 3}


async def test_a_list_with_a_page_cut_short_for_good_is_incomplete(emulator: Emulator, client: Client) -> None:
    emulator.seed(3)
    emulator.fault("GET /meta/companies", "truncate", times=9)
    assert not (await client.companies()).complete


# Connections


async def test_a_connection_waits_for_its_merchant(client: Client) -> None:
    company = await client.create_company("acme")
    connection = await client.create_connection(company.id, "gbol")
    assert (connection.platform, connection.source_type, connection.status) == ("gbol", "Accounting", "PendingAuth")
    assert connection.link_url
    assert connection in expect(Company, await client.company(company.id)).connections


async def test_a_deleted_connection_is_gone_once(emulator: Emulator, client: Client) -> None:
    (merchant,) = emulator.seed(1, "configured")
    ids = merchant["companyId"], merchant["accountingConnectionId"]
    await client.delete_connection(*ids)
    with pytest.raises(NotFound):
        await client.delete_connection(*ids)
    assert not (await configuration(client, merchant)).configured


async def test_an_account_is_pushed_followed_and_found(emulator: Emulator, client: Client) -> None:
    (merchant,) = emulator.seed(1, "linked")
    ids = merchant["companyId"], merchant["accountingConnectionId"]
    assert "Asset.Current" in await client.creatable_account_types(*ids)
    assert await client.account_pushes(ids[0]) == ()
    account = {"nominalCode": "615", "name": "Cards, tills & more", "fullyQualifiedCategory": "Asset.Current"}
    push = await client.push_account(*ids, account)
    assert (push.is_pending, push.connection_id) == (True, ids[1])
    assert await client.accounts_with(ids[0], "nominalCode", "615") == ()
    emulator.advance("PT5S")
    await client.refresh_type(ids[0], "chartOfAccounts")
    emulator.advance("PT1M")
    done = await client.account_push(ids[0], push.key)
    assert done.status == "Success"
    assert await client.account_pushes(ids[0]) == (done,)
    (found,) = await client.accounts_with(ids[0], "name", "Cards, tills & more")
    assert (found.id, found.code) == (*done.account_ids, "615")


async def test_a_push_that_the_books_refuse_says_why(emulator: Emulator, client: Client) -> None:
    (merchant,) = emulator.seed(1, "linked")
    ids = merchant["companyId"], merchant["accountingConnectionId"]
    push = await client.push_account(*ids, {"name": "Cards", "fullyQualifiedCategory": "Asset.Current"})
    emulator.advance("PT5S")
    failed = await client.account_push(ids[0], push.key)
    assert (failed.status, failed.message) == ("Failed", "Failed to push to Account as NominalCode is required.")


async def test_a_linked_connection_is_unlinked_and_another_is_not(emulator: Emulator, client: Client) -> None:
    [merchant] = emulator.seed(1, "linked")
    ids = merchant["companyId"], merchant["accountingConnectionId"]
    assert (await client.unlink_connection(*ids)).status == "Unlinked"
    with pytest.raises(Rejected):
        await client.unlink_connection(*ids)


async def test_a_failed_connection_tells_its_error(emulator: Emulator, client: Client) -> None:
    merchant = emulator.merchant("acme")
    path = f"/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}/fail"
    emulator.control("POST", path)
    failed = expect(Company, await client.company(merchant["companyId"])).connections[1]
    assert failed.status == "PendingAuth"
    assert failed.error


# Configuration


@pytest.mark.parametrize(("platform", "rates"), [("gbol", ["0", "5", "20"]), ("qhyg", ["0", "8.875"])])
async def test_a_configured_merchant_is_read_whole(
    emulator: Emulator, client: Client, platform: str, rates: list[str]
) -> None:
    [merchant] = emulator.seed(1, "configured", platform)
    seen = await configuration(client, merchant)
    assert seen.enabled
    assert seen.configured
    assert seen.offers_options
    assert seen.values["schedule.syncHourUtc"] == 0
    assert seen.values["schedule.frequency"] in seen.allowed_words["schedule.frequency"]
    assert {f'mapping.sales.taxRates["{rate}"]' for rate in rates} < seen.values.keys()
    assert all(isinstance(seen.values[path], Option) for path in seen.required_paths)
    assert all(value in seen.options[path] for path, value in seen.values.items() if isinstance(value, Option))


async def test_before_consent_a_skeleton_is_read(emulator: Emulator, client: Client) -> None:
    seen = await configuration(client, emulator.merchant("acme"))
    assert not seen.enabled
    assert not seen.configured
    assert not seen.offers_options
    assert seen.values["schedule.startDate"] is None


async def test_a_write_changes_what_it_names_and_keeps_unknown_fields(emulator: Emulator, client: Client) -> None:
    [merchant] = emulator.seed(1, "configured")
    emulator.control("PATCH", f"/companies/{merchant['companyId']}/configuration", {"brandNew": {"a": [1.5, None]}})
    live = await client.configuration(merchant["companyId"])
    other = read_configuration(live, datetime.now(UTC)).options[CARD][1]

    stored = await client.set_configuration(merchant["companyId"], write_fields(live, {CARD: other}))

    expected = json.loads(live)
    expected["configuration"]["payments"]["accounts"]["card"]["selectedAccountId"] = other.id
    assert json.loads(stored) == expected
    assert json.loads(await client.configuration(merchant["companyId"])) == expected


async def test_a_live_time_zone_is_read_as_utc_and_written_away(emulator: Emulator, client: Client) -> None:
    [merchant] = emulator.seed(1, "configured")
    in_the_portal = {"schedule": {"timeZone": "Asia/Kolkata", "syncHourUtc": 0}}
    emulator.control("PATCH", f"/companies/{merchant['companyId']}/configuration", in_the_portal)
    seen = await configuration(client, merchant)
    assert seen.values["schedule.syncHourUtc"] == "18:30 UTC"
    await client.set_configuration(merchant["companyId"], write_fields(seen.document, {"schedule.syncHourUtc": 18}))
    assert emulator.configuration(merchant)["schedule"]["timeZone"] is None


async def test_an_invalid_configuration_is_rejected_with_every_message(emulator: Emulator, client: Client) -> None:
    [merchant] = emulator.seed(1, "configured")
    live = await client.configuration(merchant["companyId"])
    with pytest.raises(Rejected) as caught:
        await client.set_configuration(merchant["companyId"], write_fields(live, {"mapping.sales.customer": None}))
    assert caught.value.messages == ("No sales customer has been configured.",)
    assert caught.value.correlation_id


@pytest.mark.parametrize("fault", ["truncate", "garbage", "drop", "lose-answer"])
async def test_a_configuration_read_that_is_disturbed_is_read_again(
    emulator: Emulator, client: Client, fault: str
) -> None:
    [merchant] = emulator.seed(1, "configured")
    emulator.fault("GET /config/companies/{companyId}/sync/commerce", fault, times=2)
    assert json.loads(await client.configuration(merchant["companyId"])) == emulator.configuration(merchant)


@pytest.mark.parametrize("fault", ["truncate", "garbage"])
async def test_a_configuration_that_never_comes_whole_is_not_believed(
    emulator: Emulator, client: Client, fault: str
) -> None:
    [merchant] = emulator.seed(1, "configured")
    emulator.fault("GET /config/companies/{companyId}/sync/commerce", fault, times=99)
    with pytest.raises(TransientError):
        await client.configuration(merchant["companyId"])


# Writes in trouble


@pytest.mark.parametrize(
    ("fault", "done"),
    [("lose-answer", True), ("truncate", True), ("garbage", True), ("drop", False), ("status", False)],
)
async def test_a_create_in_trouble_is_sent_once_and_its_outcome_unknown(
    emulator: Emulator, client: Client, fault: str, done: bool
) -> None:
    emulator.fault("POST /meta/companies/sync", fault, **({"code": 500} if fault == "status" else {}))
    with pytest.raises(OutcomeUnknown):
        await client.create_company("acme")
    assert emulator.counts() == {"POST /meta/companies/sync": 1}
    assert len((await client.companies()).companies) == done


async def test_a_delete_whose_answer_is_lost_is_sent_once(emulator: Emulator, client: Client) -> None:
    company = await client.create_company("acme")
    emulator.fault("DELETE /companies/{companyId}", "lose-answer")
    with pytest.raises(OutcomeUnknown):
        await client.delete_company(company.id)
    assert emulator.counts()["DELETE /companies/{companyId}"] == 1


# Reference data


async def test_the_data_of_a_linked_merchant_is_pulled(emulator: Emulator, client: Client) -> None:
    [merchant] = emulator.seed(1, "linked")
    pulls = await client.data_status(merchant["companyId"])
    assert set(REQUIRED_DATA_TYPES) <= pulls.keys()
    assert all(pulls[name].status == "Complete" and pulls[name].last_pulled_at for name in REQUIRED_DATA_TYPES)


def pulled_at(pulls: Mapping[str, DataTypeStatus], data_type: str) -> datetime:
    return present(pulls[data_type].last_pulled_at)


async def test_a_refresh_is_asked_for_as_a_whole_or_by_type(emulator: Emulator, client: Client) -> None:
    [merchant] = emulator.seed(1, "linked")
    before = await client.data_status(merchant["companyId"])
    await client.refresh(merchant["companyId"])
    emulator.advance("PT2M")
    whole = await client.data_status(merchant["companyId"])
    assert pulled_at(whole, "customers") > pulled_at(before, "customers")
    await client.refresh_type(merchant["companyId"], "customers")
    emulator.advance("PT2M")
    one = await client.data_status(merchant["companyId"])
    assert pulled_at(one, "customers") > pulled_at(whole, "customers")
    assert pulled_at(one, "suppliers") == pulled_at(whole, "suppliers")


@pytest.mark.parametrize(
    ("kind", "rows", "path"),
    [
        (RefKind.ACCOUNT, "accounts", CARD),
        (RefKind.TAX_RATE, "taxRates", 'mapping.sales.taxRates["20"]'),
        (RefKind.CUSTOMER, "customers", "mapping.sales.customer"),
        (RefKind.SUPPLIER, "suppliers", "mapping.fees.supplier"),
    ],
)
async def test_a_deleted_record_is_told_from_an_archived_one(
    emulator: Emulator, client: Client, kind: RefKind, rows: str, path: str
) -> None:
    [merchant] = emulator.seed(1, "configured")
    company = merchant["companyId"]
    selected = expect(Option, (await configuration(client, merchant)).values[path])

    active = expect(BooksRecord, await client.books_record(company, kind, selected.id))
    emulator.control("PATCH", f"/companies/{company}/{rows}/{selected.id}", {"status": "Archived"})
    archived = expect(BooksRecord, await client.books_record(company, kind, selected.id))
    emulator.control("DELETE", f"/companies/{company}/{rows}/{selected.id}")
    deleted = expect(BooksRecord, await client.books_record(company, kind, selected.id))

    assert (active.id, active.name, active.status, active.deleted) == (selected.id, selected.name, "Active", False)
    assert (archived.status, archived.deleted) == ("Archived", False)
    assert deleted.deleted
    assert await client.books_record(company, kind, "no-such-id") == Absent()


async def test_records_that_were_never_pulled_are_not_absent(emulator: Emulator, client: Client) -> None:
    merchant = emulator.merchant("acme")
    with pytest.raises((DataNotReady, NotFound)):
        await client.books_record(merchant["companyId"], RefKind.ACCOUNT, "a1")


# Syncs and the Sync Flow


async def test_without_a_successful_sync_there_is_no_last_one(emulator: Emulator, client: Client) -> None:
    [merchant] = emulator.seed(1, "configured")
    assert await client.synchronised_until(merchant["companyId"]) is None


async def test_a_last_successful_sync_is_told_by_when_it_ran(emulator: Emulator, client: Client) -> None:
    """Codat does not say here what the sync covered; when it ran is never before the end of that."""
    [merchant] = emulator.seed(1, "configured")
    covered = datetime.now(UTC) - timedelta(hours=1)
    body = {"syncTo": covered.isoformat()}
    emulator.api.post(f"/companies/{merchant['companyId']}/sync/commerce/latest", json=body).raise_for_status()
    emulator.advance("PT10M")
    ran = present(await client.synchronised_until(merchant["companyId"]))
    assert covered < ran <= datetime.now(UTC) + timedelta(minutes=10)


async def test_the_sync_flow_url_bears_the_merchant_and_a_password(emulator: Emulator, client: Client) -> None:
    merchant = emulator.merchant("acme")
    url = await client.sync_flow_url(merchant["companyId"], "gbol", "https://shop.example/back?a=b&c")
    assert f"merchantIdentifier={merchant['companyId']}" in url
    assert "otp=" in url
    assert "shop.example" in url


# Keys, limits, quotas


async def test_a_wrong_key_is_told_at_once(emulator: Emulator) -> None:
    async with open_client(emulator.url, "another key", requests_per_minute=0, sleep=hurried_sleep) as client:
        with pytest.raises(ApiKeyRefused, match="check the API key"):
            await client.companies()


async def test_the_company_limit_ends_creates(emulator: Emulator, client: Client) -> None:
    emulator.fault("POST /meta/companies/sync", "status", code=402)
    with pytest.raises(RemoteLimitReached) as caught:
        await client.create_company("acme")
    assert (caught.value.status, caught.value.resume_at) == (402, None)


async def test_the_quota_is_that_of_the_last_answer(emulator: Emulator, client: Client) -> None:
    before = client.quota
    assert before is None
    emulator.control("POST", "/limits", {"perDay": 1000})
    await client.companies()
    quota = present(client.quota)
    assert (quota.limit, quota.remaining) == (1000, 999)


async def test_a_daily_quota_that_runs_out_ends_with_the_time_to_resume_and_without_a_429(
    emulator: Emulator, client: Client
) -> None:
    emulator.seed(1)
    emulator.control("POST", "/limits", {"perDay": 40})
    outcomes = await asyncio.gather(*(client.companies() for _ in range(60)))
    assert sum(listing.complete for listing in outcomes) == 40
    with pytest.raises(RemoteLimitReached) as caught:
        await client.create_company("acme")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert abs(present(caught.value.resume_at) - midnight) < timedelta(seconds=5)
    assert emulator.counts() == {"GET /meta/companies": 40}


async def test_a_storm_of_429s_is_weathered_without_help(emulator: Emulator, client: Client) -> None:
    merchants = emulator.seed(30, "configured")
    emulator.fault("GET /config/companies/{companyId}/sync/commerce", "status", code=429, retryAfter=1, times=30)
    documents = await asyncio.gather(*(client.configuration(merchant["companyId"]) for merchant in merchants))
    assert len(set(documents)) == 30


async def test_a_read_only_client_leaves_no_trace(emulator: Emulator) -> None:
    [merchant] = emulator.seed(1, "configured")
    async with open_read_only_client(emulator.url, emulator.api_key) as client:
        await client.companies()
        await client.configuration(merchant["companyId"])
        assert client.writes == 0
    assert all(name.startswith("GET ") for name in emulator.counts())


@pytest.mark.soak
async def test_no_429_is_drawn_from_a_server_that_is_limited_a_little_above_our_budget(emulator: Emulator) -> None:
    """Takes a minute and some: the budget is spent in a burst, and again as its places come back."""
    merchants = emulator.seed(1000, "configured")
    emulator.control("POST", "/limits", {"perMinute": 2000})
    async with open_client(emulator.url, emulator.api_key, requests_per_minute=1900) as client:
        asked = [client.configuration(merchant["companyId"]) for merchant in merchants * 4]
        assert len(await asyncio.gather(*asked)) == 4000
        assert client.reads == 4000  # one attempt each: none was refused


# Syncs and uploads


ORDERS = {"orders": [{"id": "o-1", "createdDate": "2026-11-21T10:00:00Z", "totalAmount": 12.5}]}


async def test_a_manual_sync_runs_and_ends_and_is_the_latest_one(client: Client, emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    assert await client.latest_sync(merchant["companyId"]) is None
    await client.upload(merchant["companyId"], "commerce-orders", ORDERS)
    for kind in ("payments", "transactions"):
        await client.upload(merchant["companyId"], f"commerce-{kind}", {kind: []})
    begun = await client.start_sync_until(merchant["companyId"], None)
    assert begun.transfer_status in (TransferStatus.RUNNING, TransferStatus.SUCCESS)
    emulator.advance("PT1M")
    ended = await client.latest_sync(merchant["companyId"])
    assert ended is not None
    assert (ended.id, ended.transfer_status, ended.covers_from, ended.covers_until) == (
        begun.id,
        TransferStatus.SUCCESS,
        begun.covers_from,
        begun.covers_until,
    )


async def test_a_range_that_was_synchronised_is_not_synchronised_again(client: Client, emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    for kind in ("orders", "payments", "transactions"):
        await client.upload(merchant["companyId"], f"commerce-{kind}", {kind: []})
    finish = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    first = await client.start_sync_of_range(merchant["companyId"], finish - timedelta(days=1), finish)
    emulator.advance("PT1M")
    again = await client.start_sync_of_range(merchant["companyId"], finish - timedelta(hours=1), finish)
    assert first.covers_until == finish
    assert (again.transfer_status, again.code) == (TransferStatus.FAILED, 5080)
    assert "overlaps" in again.message


async def test_an_upload_stands_in_the_pull_history_until_it_is_complete(client: Client, emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    dataset_id = await client.upload(merchant["companyId"], "commerce-orders", ORDERS)
    begun = await client.upload_status(merchant["companyId"], dataset_id)
    assert (begun.id, begun.data_type) == (dataset_id, "commerce-orders")
    emulator.advance("PT1M")
    assert (await client.upload_status(merchant["companyId"], dataset_id)).transfer_status is TransferStatus.SUCCESS


async def test_an_upload_whose_answer_was_lost_is_found_by_its_type_and_time(
    client: Client, emulator: Emulator
) -> None:
    (merchant,) = emulator.seed(1, "configured")
    began = datetime.now(UTC) - timedelta(seconds=1)
    emulator.fault("POST /data/companies/{companyId}/sync/{dataType}", "lose-answer")
    with pytest.raises(OutcomeUnknown):
        await client.upload(merchant["companyId"], "commerce-orders", ORDERS)
    (found,) = await client.dataset_ids_since(merchant["companyId"], "commerce-orders", began)
    assert (await client.upload_status(merchant["companyId"], found)).data_type == "commerce-orders"
    assert await client.dataset_ids_since(merchant["companyId"], "commerce-payments", began) == []
    later = began + timedelta(minutes=1)
    assert await client.dataset_ids_since(merchant["companyId"], "commerce-orders", later) == []


async def test_records_of_another_shape_are_refused_by_name(client: Client, emulator: Emulator) -> None:
    (merchant,) = emulator.seed(1, "configured")
    with pytest.raises(Rejected) as refused:
        await client.upload(merchant["companyId"], "commerce-orders", {"orders": [{"totalAmount": "12"}]})
    assert refused.value.messages

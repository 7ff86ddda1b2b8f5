"""What is concluded from lists and answers that move, contradict themselves, or come from somebody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from controller.model.plan import PlanStatus
from controller.model.report import FleetReport
from tests.end_to_end.place import (
    CREATE_COMPANY,
    CREATE_CONNECTION,
    GET_CONFIGURATION,
    SAVE_CONFIGURATION,
    Place,
    changes_by_merchant,
    count_writes_by_call,
    findings_by_code,
    states_by_merchant,
)
from tests.proxy import Between, ProxyAnswer, ProxyRequest

HTML = ProxyAnswer(404, {"content-type": "text/html"}, b"<html>no such host here</html>")
ROUTER = ProxyAnswer(404, {"content-type": "application/json"}, b'{"error": "no route and no API here"}')
DOWN = ProxyAnswer(503, {}, b"")
LIST = "/meta/companies"


def listed(change: Callable[[dict[str, Any]], Any]) -> Callable[[ProxyRequest, ProxyAnswer], ProxyAnswer]:
    """The pages of the list of companies, changed in place."""

    def changed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        if (request.method, request.path, answer.status) != ("GET", LIST, 200):
            return answer
        page = answer.json
        change(page)
        return answer.with_json(page)

    return changed


def without(name: str, page: dict[str, Any]) -> None:
    page["results"] = [each for each in page["results"] if each["name"] != name]


def without_a_counted(page: dict[str, Any]) -> None:
    """As if there had never been one of that name: the number of all says so, too."""
    without("a", page)
    page["totalResults"] = len(page["results"])


def applied(place: Place, *allow: str) -> dict[str, str]:
    """By merchant its state, as `apply` says it at its end."""
    flags = [word for each in allow for word in ("--allow", each)]
    done = place.run_in_process("apply", "--yes", "-o", "json", *flags)
    assert done.stdout, done.stderr
    return {each["merchant"]: each["state"] for each in json.loads(done.stdout)["merchants"]}


def named(place: Place, name: str) -> int:
    return sum(1 for each in place.companies() if each["name"] == name)


# -- A list that moves while it is read


def test_a_company_that_slides_to_a_page_that_was_read_already_is_not_created_again(
    place: Place, between: Between
) -> None:
    """5,500 companies; between two pages one is deleted and one created, so that the count stays equal."""
    fleet = place.emulator.seed(5500)
    place.profile()
    place.merchant("m-05000")
    moved: list[str] = []

    def after_the_first_page(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        if request.path == LIST and request.query.get("page") == "1" and not moved:
            moved.append(fleet[0]["companyId"])
            place.emulator.api.delete(f"/companies/{moved[0]}").raise_for_status()
            place.emulator.api.post("/meta/companies/sync", json={"name": "newcomer"}).raise_for_status()
        return answer

    between.changed = after_the_first_page
    with place.count_requests() as counts:
        assert applied(place)["m-05000"] == PlanStatus.WAITING.value
    assert moved
    assert count_writes_by_call(counts) == {"DELETE /companies/{companyId}": 1, CREATE_COMPANY: 1}, (
        "and these are the test's own"
    )


def test_a_list_that_moves_at_every_look_is_unprovable_and_nothing_is_created_on_it(
    place: Place, between: Between
) -> None:
    fleet = iter(place.emulator.seed(5500))
    place.profile()
    place.merchant("new")

    def after_each_first_page(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        if request.path == LIST and request.query.get("page") == "1":
            place.emulator.api.delete(f"/companies/{next(fleet)['companyId']}").raise_for_status()
        return answer

    between.changed = after_each_first_page
    plan = place.plan()
    assert states_by_merchant(plan) == {"new": "unknown"}
    assert "listing-unprovable" in findings_by_code(plan, "new")["unknown"].cause
    assert "5002 companies were seen, 5497 are counted" in findings_by_code(plan, "new")["unknown"].cause
    with place.count_requests() as counts:
        done = place.run_in_process("apply", "--yes")
    assert done.returncode == 5
    assert "listing-unprovable: in 3 tries" in done.stdout
    assert CREATE_COMPANY not in counts


CONTRADICTIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "counts none": lambda page: page.update(totalResults=0),
    "counts less than none": lambda page: page.update(totalResults=-1),
    "counts this page alone and says that another follows": lambda page: page.update(
        totalResults=len(page["results"]), _links=page["_links"] | {"next": {"href": "/companies?page=2"}}
    ),
    "counts more than ever come": lambda page: page.update(totalResults=9),
    "is another page": lambda page: page.update(pageNumber=3),
    "brings the same for ever": lambda page: page.update(
        totalResults=10**9, _links=page["_links"] | {"next": {"href": "/companies?page=2"}}
    ),
}


@pytest.mark.parametrize("contradiction", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_nothing_is_created_on_a_list_that_contradicts_itself(
    place: Place, between: Between, contradiction: Callable[[dict[str, Any]], Any]
) -> None:
    place.emulator.seed(3)
    place.emulator.merchant("there")
    place.profile()
    place.merchant("there")

    def change(page: dict[str, Any]) -> None:
        without("there", page)
        page["totalResults"] = len(page["results"])
        contradiction(page)

    between.changed = listed(change)
    with place.count_requests() as counts:
        assert applied(place) == {"there": "unknown"}
    assert count_writes_by_call(counts) == {}
    assert sum(counts.values()) <= 12
    assert named(place, "there") == 1


def test_a_list_that_lacks_a_company_that_is_there_is_not_complete_whatever_it_says(
    place: Place, between: Between
) -> None:
    place.provision("bound")
    place.emulator.merchant("there")
    place.merchant("there")

    def change(page: dict[str, Any]) -> None:
        page["results"] = []
        page["totalResults"] = 0

    between.changed = listed(change)
    assert applied(place) == {"bound": "in-sync", "there": "unknown"}
    assert named(place, "there") == 1
    between.nothing()
    assert applied(place)["there"] == "waiting", "and it is adopted once the list is whole"
    assert named(place, "there") == 1


def empty_from(number: int, to: int = 1000) -> Callable[[ProxyRequest, ProxyAnswer], ProxyAnswer]:
    """From that listing on nobody is listed, and Codat says that this is all: a copy of it that lags, say."""
    looks: list[str] = []

    def change(page: dict[str, Any]) -> None:
        looks.append("")
        if number <= len(looks) <= to:
            page.update(results=[], totalResults=0)

    return listed(change)


@pytest.mark.parametrize("targets", [(), ("--target", "there")], ids=["everyone", "one alone"])
def test_the_list_before_a_create_is_held_against_what_is_known_to_be_there(
    place: Place, between: Between, targets: tuple[str, ...]
) -> None:
    """The plan's own list was whole; the fresh one, which the create rests on, lacks everybody."""
    place.provision("bound")
    place.merchant("there")
    lacking = empty_from(2)

    def changed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        if request.path == LIST and request.method == "GET" and not named(place, "there"):
            place.emulator.merchant("there")  # somebody else is quicker, right after the plan's list
        return lacking(request, answer)

    between.changed = changed
    done = place.run_in_process("apply", "--yes", *targets)
    assert named(place, "there") == 1
    assert done.returncode == 3, done.stdout + done.stderr
    assert "is there, and the list of companies lacks it" in done.stdout


def test_a_create_is_not_given_up_on_a_list_that_lacks_a_company_that_is_there(place: Place, between: Between) -> None:
    """Its answer was lost; the looks for it see nobody, though somebody is known to be there: they prove nothing."""
    place.provision("bound")
    place.merchant("new", policy={"adopt": False})
    lacking = empty_from(3, to=4)

    def changed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer | None:
        return None if (request.method, request.path) == ("POST", LIST + "/sync") else lacking(request, answer)

    between.changed = changed
    place.run_in_process("apply", "--yes")
    assert place.run_in_process("apply", "--yes").returncode == 0, "it is still known that this run made it"
    assert states_by_merchant(place.plan()) == {"bound": "in-sync", "new": "waiting"}
    assert named(place, "new") == 1


def test_the_last_look_for_twins_is_none_where_it_does_not_show_what_was_just_made(
    place: Place, between: Between
) -> None:
    place.profile()
    place.merchant("new")
    between.changed = empty_from(3)
    done = place.run_in_process("apply", "--yes")
    assert done.returncode != 0
    assert "whether somebody else created the same at the same time could not be looked at" in done.stdout
    assert named(place, "new") == 1


# -- What is not there


@pytest.mark.parametrize("words", [HTML, ROUTER], ids=["a page", "JSON of its own"])
def test_a_gateways_404_is_no_proof_that_companies_are_gone(place: Place, between: Between, words: ProxyAnswer) -> None:
    place.provision("a", "b", "c")
    between.forged = lambda request: words if request.path.startswith("/companies/") else None
    between.changed = listed(lambda page: page.update(results=[], totalResults=0))
    with place.count_requests() as counts:
        assert set(applied(place, "re-create").values()) == {"unknown"}
    assert count_writes_by_call(counts) == {}


def test_a_404_while_the_list_fails_too_is_no_proof(place: Place, between: Between) -> None:
    place.provision("a")
    gone = {"statusCode": 404, "service": "ClientsApi", "error": "No company was found with ID", "correlationId": "1"}

    def forged(request: ProxyRequest) -> ProxyAnswer | None:
        if request.path.startswith("/companies/"):
            return ProxyAnswer(404, {}, json.dumps(gone).encode())
        return DOWN if request.path == LIST else None

    between.forged = forged
    with place.count_requests() as counts:
        assert applied(place, "re-create") == {"a": "unknown"}
    assert count_writes_by_call(counts) == {}


@pytest.mark.parametrize("targets", [(), ("a",)], ids=["everyone", "by name"])
def test_a_404_about_a_company_that_is_listed_is_no_proof(
    place: Place, between: Between, targets: tuple[str, ...]
) -> None:
    place.provision("a")
    gone = {"statusCode": 404, "service": "ClientsApi", "error": "No company was found with ID", "correlationId": "1"}
    between.forged = lambda request: (
        ProxyAnswer(404, {}, json.dumps(gone).encode()) if request.path.startswith("/companies/") else None
    )
    plan = place.plan(*targets)
    assert "company-missing" not in findings_by_code(plan, "a")
    assert changes_by_merchant(plan) == {}


def test_a_company_that_is_really_deleted_is_missing_also_where_it_is_asked_for_by_name(place: Place) -> None:
    place.provision("a", "b")
    place.emulator.api.delete(f"/companies/{place.company('a')['id']}").raise_for_status()
    for targets in ((), ("a",)):
        plan = place.plan(*targets)
        assert "company-missing" in findings_by_code(plan, "a")


@pytest.mark.parametrize("policy", ["Disable", "Unlink"])
def test_a_removed_merchant_is_not_taken_for_gone_on_a_gateways_404(
    place: Place, between: Between, policy: str
) -> None:
    place.provision("a", "b", policy={"deletion": policy})
    place.remove_manifests("a")
    between.forged = lambda request: HTML if request.path.startswith("/companies/") else None
    between.changed = listed(without_a_counted)
    allow = ("disable", "unlink", "shrink")
    assert applied(place, *allow)["a"] == "unknown"
    assert place.document("a")["enabled"] is True
    between.nothing()
    place.apply(allow=allow)
    assert place.document("a")["enabled"] is False, "it is taken down once it is seen"


def test_a_removed_merchant_whose_document_is_kept_back_while_data_is_read_is_switched_off_later(place: Place) -> None:
    """Taken for switched off it would get a tombstone, and stay on for good."""
    place.provision("a", "b", policy={"deletion": "Disable"})
    place.remove_manifests("a")
    place.emulator.fault(GET_CONFIGURATION, "status", times=2, code=409)
    allow = ("disable", "shrink")
    assert applied(place, *allow)["a"] == "unknown"
    place.emulator.control("DELETE", "/faults")
    place.apply(allow=allow)
    assert place.document("a")["enabled"] is False


def test_a_removed_merchant_that_is_to_be_deleted_is_not_taken_for_gone_either(place: Place, between: Between) -> None:
    place.provision("a", "b", policy={"deletion": "Delete"})
    place.remove_manifests("a")
    between.forged = lambda request: HTML if request.path.startswith("/companies/") else None
    between.changed = listed(without_a_counted)
    assert applied(place, "delete=a", "shrink", "disable", "unlink")["a"] == "unknown"
    between.nothing()
    assert applied(place, "delete=a", "shrink", "disable", "unlink")["a"] == "change"
    assert named(place, "a") == 0, "it is deleted once it is seen"


def test_a_gateways_404_about_the_last_sync_or_a_record_says_nothing(place: Place, between: Between) -> None:
    """A selection that is not offered any more: deleted or archived cannot be said on the strength of a gateway."""
    place.provision("a")
    selected = place.document("a")["configuration"]["sales"]["accounts"]["sales"]["selectedAccountId"]
    place.emulator.control("DELETE", f"/companies/{place.company('a')['id']}/accounts/{selected}")
    between.forged = lambda request: HTML if "/data/" in request.path else None
    assert "account-deleted" not in findings_by_code(place.plan(), "a")
    between.forged = lambda request: (
        ProxyAnswer(200, {}, json.dumps({"results": [None], "totalResults": 1}).encode())
        if "/data/" in request.path
        else None
    )
    assert set(findings_by_code(place.plan(), "a")) == {"unknown"}
    between.nothing()
    assert "account-deleted" in findings_by_code(place.plan(), "a")


# -- One odd row


ODD_CONNECTIONS: dict[str, Any] = {"null": None, "an object as status": {"id": "x", "status": {}}, "a number": 7}


@pytest.mark.parametrize("odd", ODD_CONNECTIONS.values(), ids=ODD_CONNECTIONS)
def test_an_odd_connection_makes_its_own_merchant_unknown_and_no_other(
    place: Place, between: Between, odd: Any
) -> None:
    place.provision("a", "b")
    place.merchant("new")
    accounting = place.accounting_connection("a")["id"]

    def change(page: dict[str, Any]) -> None:
        for company in page["results"]:
            if company["name"] == "a":
                company["dataConnections"] = [
                    odd if each["id"] == accounting else each for each in company["dataConnections"]
                ]

    def changed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        if request.method == "GET" and request.path.startswith("/companies/") and answer.json.get("name") == "a":
            page = {"results": [answer.json]}
            change(page)
            return answer.with_json(page["results"][0])
        return listed(change)(request, answer)

    between.changed = changed
    with place.count_requests() as counts:
        report = place.apply()
    assert isinstance(report, FleetReport)
    assert states_by_merchant(report.plan) == {"a": "unknown", "b": "in-sync", "new": "change"}
    assert "dataConnections[1]" in findings_by_code(report.plan, "a")["unknown"].cause
    assert count_writes_by_call(counts) == {CREATE_COMPANY: 1, CREATE_CONNECTION: 1}


def test_nobody_is_created_on_a_list_with_a_company_whose_name_could_not_be_read(
    place: Place, between: Between
) -> None:
    place.provision("a")
    place.emulator.merchant("there")
    place.merchant("there")

    def change(page: dict[str, Any]) -> None:
        for company in page["results"]:
            if company["name"] == "there":
                company["name"] = {"first": "there"}

    between.changed = listed(change)
    report = place.apply()
    assert isinstance(report, FleetReport)
    assert states_by_merchant(report.plan) == {"a": "in-sync", "there": "unknown"}
    assert "results[1] of page 1" in findings_by_code(report.plan, "there")["unknown"].cause
    assert named(place, "there") == 1


def test_an_odd_option_matters_to_whoever_declares_its_field(place: Place, between: Between) -> None:
    place.provision("a")
    sales = place.document("a")["configuration"]["sales"]["accounts"]
    assert len(sales) >= 3

    def configurations(key: str, odd: Any) -> Callable[[ProxyRequest, ProxyAnswer], ProxyAnswer]:
        def changed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
            if not (request.method == "GET" and request.path.startswith("/config/")):
                return answer
            document = answer.json
            document["configuration"]["sales"]["accounts"][key]["accountOptions"].append(odd)
            return answer.with_json(document)

        return changed

    between.changed = configurations("sales", {"id": "x", "name": "x", "nominalCode": 7})
    plan = place.plan()
    assert states_by_merchant(plan) == {"a": "unknown"}
    assert "configuration.sales.accounts.sales.accountOptions[" in findings_by_code(plan, "a")["unknown"].cause

    place.profile(mapping={"sales": {"accounts": {"sales": {"code": "200"}}}})
    between.changed = configurations("gratuity", None)
    place.edit_in_portal("a", {"enabled": False})
    assert applied(place) == {"a": "change"}
    assert place.document("a")["enabled"] is True


def test_an_option_that_is_listed_twice_is_one_thing(place: Place, between: Between) -> None:
    def twice(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        if not (request.method == "GET" and request.path.startswith("/config/") and answer.status == 200):
            return answer
        document = answer.json
        for account in (document["configuration"]["sales"]["accounts"] or {}).values():
            account["accountOptions"] = (account["accountOptions"] or []) * 2
        return answer.with_json(document)

    between.changed = twice
    place.provision("a")
    assert states_by_merchant(place.plan()) == {"a": "in-sync"}


# -- Text and ids from outside


@pytest.mark.parametrize("text", ["\ud800", "\u0000", "a\udfffb"], ids=["surrogate", "NUL", "half a pair"])
def test_text_that_cannot_be_stored_or_printed_ends_nothing(place: Place, between: Between, text: str) -> None:
    place.provision("a", "b")
    stranger = {"id": "5f0c1a7e-2b64-4c9f-8a51-7d3e6b9f1003", "name": f"stranger {text}", "dataConnections": []}

    def change(page: dict[str, Any]) -> None:
        page["results"].append(stranger)
        page["totalResults"] += 1

    words = {"statusCode": 400, "error": f"Error {text}", "correlationId": text}
    between.changed = listed(change)
    between.forged = lambda request: (
        ProxyAnswer(400, {}, json.dumps(words).encode()) if request.method == "POST" else None
    )
    for name in "ab":
        place.edit_in_portal(name, {"enabled": False})
    assert applied(place) == {"a": "change", "b": "change"}
    between.forged = lambda request: None
    assert place.run_in_process("history", "a").returncode == 0
    assert place.run_in_process("--base-url", place.settings.base_url, "drift", "--unmanaged").stdout.encode()


@pytest.mark.parametrize("id_", [".", "..", "", "a/b", "../webhooks", "a\nb", "x" * 5000])
def test_an_id_that_would_be_another_request_is_none(place: Place, between: Between, id_: str) -> None:
    place.profile()
    place.merchant("shop")
    place.merchant("other")

    def change(page: dict[str, Any]) -> None:
        page["results"].append({"id": id_, "name": "shop", "dataConnections": []})
        page["totalResults"] += 1

    between.changed = listed(change)
    with place.count_requests() as counts:
        assert set(applied(place).values()) == {"unknown"}
    assert set(counts) <= {"GET /meta/companies", "GET /profile/syncSettings"}


def test_an_odd_answer_to_a_write_is_looked_after_and_not_repeated(place: Place, between: Between) -> None:
    """The id of what was created is what counts; one that is none is no id."""

    def changed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        return answer.with_json({**answer.json, "id": ".."}) if request.path == "/meta/companies/sync" else answer

    place.profile()
    place.merchant("new")
    between.changed = changed
    with place.count_requests() as counts:
        place.apply()
        place.apply()
    assert count_writes_by_call(counts) == {CREATE_COMPANY: 1, CREATE_CONNECTION: 1}
    assert SAVE_CONFIGURATION not in counts

"""`merchantctl import`, through the front door and against the emulator: files, exit codes, what is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from controller.desired import yaml_reader as yaml_source
from controller.desired.generate import slug
from controller.desired.json_schema import json_schema
from controller.desired.loader import load_fleet
from controller.model.field_values import Ref
from tests.emulator import Emulator, Merchant
from tests.unit.cli.conftest import Merchantctl


def plan(merchantctl: Merchantctl, *arguments: str) -> dict[str, Any]:
    return {each["merchant"]: each for each in merchantctl(*arguments, "plan", "-o", "json").json["merchants"]}


def untouched(merchantctl: Merchantctl, *arguments: str) -> bool:
    """Whether the plan has nothing to do for anybody."""
    return not any(each["changes"] for each in plan(merchantctl, *arguments).values())


def text_of(name: str, root: str = "manifests") -> str:
    return (Path(root) / f"{name}.yaml").read_text()


def portal(served: Emulator, merchant: Merchant, patch: dict[str, Any]) -> None:
    served.control("PATCH", f"/companies/{merchant['companyId']}/configuration", patch)


def connection(served: Emulator, merchant: Merchant, verb: str) -> None:
    if verb == "unlink":
        path = f"/meta/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}"
        assert served.api.patch(path, json={"status": "Unlinked"}).is_success
    elif verb == "delete":
        path = f"/companies/{merchant['companyId']}/connections/{merchant['accountingConnectionId']}"
        assert served.api.delete(path).is_success


# -- A good result


def test_a_fleet_becomes_a_profile_and_a_short_file_for_each_merchant(
    merchantctl: Merchantctl, served: Emulator, folder: Path
) -> None:
    served.seed(3, "configured", "gbol", prefix="uk-")
    done = merchantctl("import")
    assert (done.code, done.err) == (0, f"merchantctl: the API at {served.url}\n")
    assert done.out.startswith("Imported 3 merchants and 1 profile to manifests.")
    assert text_of("merchants/uk-00001") == (
        "# Not managed: configuration.sales.newTaxRates, no key of a manifest stands for it.\n"
        "apiVersion: merchantctl/v1\nkind: Merchant\nmetadata: {name: uk-00001}\nspec:\n  profile: xero\n"
    )
    profile = text_of("profiles/xero")
    assert '        sales: {code: "200"}  # Sales\n' in profile
    assert "      customer: {name: POS daily takings}\n" in profile
    assert merchantctl("validate").code == 0
    assert untouched(merchantctl)
    assert merchantctl("drift").code == 0


def test_a_merchant_says_what_is_different_and_nothing_else(merchantctl: Merchantctl, served: Emulator) -> None:
    merchants = served.seed(3, "configured", "gbol", prefix="uk-")
    portal(served, merchants[1], {"enabled": False, "schedule": {"syncHourUtc": 5}})
    cash = {"payments": {"accounts": {"cash": {"selectedAccountId": None}}}}
    portal(served, merchants[2], {"configuration": {**cash, "sales": {"taxRates": {"20": None}}}})
    merchantctl("import")
    assert text_of("merchants/uk-00001").partition("spec:\n")[2] == (
        "  profile: xero\n  enabled: false\n  schedule: {syncHourUtc: 5}\n"
    )
    cleared = text_of("merchants/uk-00002")
    assert "      accounts: {cash: null}\n" in cleared or "accounts:\n        cash: null\n" in cleared
    assert untouched(merchantctl)


def test_two_ways_to_keep_books_become_two_profiles_on_a_common_one(
    merchantctl: Merchantctl, served: Emulator, folder: Path
) -> None:
    merchants = served.seed(8, "configured", "gbol", prefix="shop-")
    for merchant in merchants[::2]:
        # Dublin books other accounts than London, at another hour.
        document = served.configuration(merchant)
        accounts = document["configuration"]["payments"]["accounts"]
        others = {
            key: {
                "selectedAccountId": next(e["id"] for e in row["accountOptions"] if e["id"] != row["selectedAccountId"])
            }
            for key, row in accounts.items()
            if row.get("selectedAccountId")
        }
        payments = {"accounts": {key: others[key] for key in sorted(others)}}
        portal(served, merchant, {"configuration": {"payments": payments}, "schedule": {"timeZone": "Europe/Dublin"}})
    for merchant in merchants[1::2]:
        portal(served, merchant, {"schedule": {"timeZone": "Europe/London"}})
    done = merchantctl("import")
    assert done.out.startswith("Imported 8 merchants and 3 profiles to manifests.")
    assert text_of("merchants/shop-00000").partition("spec:\n")[2] == "  profile: xero-dublin\n"
    assert text_of("merchants/shop-00001").partition("spec:\n")[2] == "  profile: xero-london\n"
    assert "  extends: xero\n" in text_of("profiles/xero-dublin")
    assert '        sales: {code: "200"}  # Sales\n' in text_of("profiles/xero")
    assert merchantctl("validate").code == 0
    assert untouched(merchantctl)
    assert merchantctl("drift").code == 0
    files = {file: file.read_bytes() for file in Path("manifests").rglob("*.yaml")}
    merchantctl("import", "--overwrite")
    assert {file: file.read_bytes() for file in Path("manifests").rglob("*.yaml")} == files


def test_nothing_but_get_is_asked_and_each_configuration_once(merchantctl: Merchantctl, served: Emulator) -> None:
    served.seed(4, "configured", prefix="c-")
    served.seed(2, "pending", prefix="p-")
    before = served.counts()
    merchantctl("import")
    asked = {call: number - before.get(call, 0) for call, number in served.counts().items()}
    assert {call: number for call, number in asked.items() if number} == {
        "GET /meta/companies": 1,
        "GET /profile/syncSettings": 1,
        "GET /config/companies/{companyId}/sync/commerce": 4,
    }


def test_without_profiles_everyone_stands_alone(merchantctl: Merchantctl, served: Emulator) -> None:
    served.seed(2, "configured", prefix="uk-")
    merchantctl("import", "--no-profiles")
    assert not Path("manifests/profiles").exists()
    assert untouched(merchantctl)


def test_stdout_takes_the_manifests_and_stderr_the_summary(
    merchantctl: Merchantctl, served: Emulator, folder: Path
) -> None:
    served.seed(2, "configured", prefix="uk-")
    done = merchantctl("import", "--out", "-")
    assert "\nImported 2 merchants and 1 profile." in done.err
    assert not Path("manifests").exists()
    (folder / "all.yaml").write_text(done.out)
    assert sorted(load_fleet(folder / "all.yaml").merchants) == ["uk-00000", "uk-00001"]


def test_companies_are_chosen_by_name_platform_and_number(merchantctl: Merchantctl, served: Emulator) -> None:
    served.seed(3, "configured", "gbol", prefix="uk-")
    served.seed(3, "configured", "qhyg", prefix="us-")
    merchantctl("import", "--out", "by-name", "--match", "u?-*1")
    merchantctl("import", "--out", "by-platform", "--platform", "quickbooks-online", "--limit", "2")
    assert sorted(load_fleet(Path("by-name")).merchants) == ["uk-00001", "us-00001"]
    assert sorted(load_fleet(Path("by-platform")).merchants) == ["us-00000", "us-00001"]


def test_of_many_that_are_left_out_for_one_reason_some_are_named(merchantctl: Merchantctl, served: Emulator) -> None:
    merchants = served.seed(13, "configured", "gbol", prefix="uk-")
    for merchant in merchants[:12]:
        portal(served, merchant, {"configuration": {"sales": {"invoiceStatus": "no object"}}})
    said = merchantctl("import", "--out", "-").err
    assert "Left out, 12 companies:" in said
    assert said.count("cannot be read") == 10
    assert "and 2 more for this reason; merchantctl drift --unmanaged names whom no manifest claims" in said


@pytest.mark.parametrize("flag", [("--platform", "xerox"), ("--time-zone", "Mars"), ("--limit", "0")])
def test_a_choice_that_makes_no_sense_is_wrong_usage(
    merchantctl: Merchantctl, served: Emulator, flag: tuple[str, ...]
) -> None:
    assert merchantctl("import", *flag).code == 64


def test_no_key_is_wrong_usage_and_a_refused_one_is_unread(
    merchantctl: Merchantctl, served: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODAT_API_KEY", "wrong")
    assert merchantctl("import").code == 5
    monkeypatch.delenv("CODAT_API_KEY")
    assert merchantctl("import").code == 64


# -- Time


def test_a_wall_clock_is_written_where_live_keeps_a_zone(merchantctl: Merchantctl, served: Emulator) -> None:
    (merchant,) = served.seed(1, "configured", prefix="uk-")
    portal(served, merchant, {"schedule": {"timeZone": "Europe/London", "startDate": "2026-06-01T00:00:00"}})
    merchantctl("import")
    written = text_of("merchants/uk-00000")
    assert "startDate: 2026-06-01\n" in written
    assert 'time: "00:00"\n' in written
    assert "timeZone: Europe/London\n" in written
    assert untouched(merchantctl)


def test_a_utc_hour_is_said_in_a_zone_where_that_is_the_same(merchantctl: Merchantctl, served: Emulator) -> None:
    fits, other = served.seed(2, "configured", "qhyg", prefix="us-")
    portal(served, fits, {"schedule": {"syncHourUtc": 5, "startDate": "2026-01-01T05:00:00Z"}})
    portal(served, other, {"schedule": {"syncHourUtc": 5, "startDate": "2026-01-01T00:00:00Z"}})
    served_hour = merchantctl("import", "--no-profiles", "--time-zone", "America/New_York")
    assert served_hour.code == 0
    local, utc = text_of("merchants/us-00000"), text_of("merchants/us-00001")
    assert "startDate: 2026-01-01\n" in local
    assert "timeZone: America/New_York\n" in local
    assert "syncHourUtc: 5" in utc
    assert untouched(merchantctl)


# -- What cannot be said, and what cannot be adopted


def test_what_no_manifest_can_say_is_left_to_live_and_told(merchantctl: Merchantctl, served: Emulator) -> None:
    (merchant,) = served.seed(1, "configured", prefix="uk-")
    hourly = {"selectedFrequency": "Hourly", "frequencyOptions": ["Daily", "Hourly"]}
    portal(served, merchant, {"schedule": {**hourly, "startDate": "2026-06-01T10:30:00Z"}})
    done = merchantctl("import")
    assert done.code == 0
    assert "schedule.frequency of uk-00000: no manifest can say it: schedule.frequency cannot be 'Hourly'" in done.out
    written = text_of("merchants/uk-00000")
    assert "\n# Not managed: schedule.frequency, " in written
    assert "frequency:" not in written
    assert "startDate:" not in written
    assert untouched(merchantctl)


def test_two_companies_of_one_name_are_left_out_and_said(merchantctl: Merchantctl, served: Emulator) -> None:
    served.seed(1, "configured", prefix="twin-")
    served.seed(1, "configured", prefix="twin-")
    served.seed(1, "configured", prefix="only-")
    done = merchantctl("import")
    assert done.code == 3
    assert done.out.count("twin-00000 (") == 2
    assert "2 companies bear this name" in done.out
    assert [*load_fleet(Path("manifests")).merchants] == ["only-00000"]
    assert untouched(merchantctl)


def test_a_company_that_cannot_be_read_is_listed_and_the_others_are_written(
    merchantctl: Merchantctl, served: Emulator
) -> None:
    merchants = served.seed(3, "configured", prefix="uk-")
    path = f"/config/companies/{merchants[1]['companyId']}/sync/commerce"
    served.fault(f"GET {path}", "status", times=99, code=400)
    done = merchantctl("import")
    assert done.code == 5
    assert f"uk-00001 ({merchants[1]['companyId']})" in done.out
    assert sorted(load_fleet(Path("manifests")).merchants) == ["uk-00000", "uk-00002"]


def test_an_incomplete_listing_is_no_ground_to_import_anything(merchantctl: Merchantctl, served: Emulator) -> None:
    served.seed(2, "configured", prefix="uk-")
    served.fault("GET /meta/companies", "status", times=99, code=400)
    done = merchantctl("import")
    assert done.code == 5
    assert "nothing was imported" in done.err
    assert not Path("manifests").exists()


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("no connection", {"connection.state": "Unlinked"}),
        ("waits for consent", {"platform": "gbol"}),
        ("linked, never configured", {"platform": "gbol"}),
        ("unlinked", {"platform": "gbol", "connection.state": "Unlinked"}),
        ("access revoked", {"platform": "gbol"}),
    ],
)
def test_a_merchant_that_is_not_running_is_adopted_as_it_stands(
    merchantctl: Merchantctl, served: Emulator, state: str, said: dict[str, Any]
) -> None:
    seeded = {"linked, never configured": "linked", "unlinked": "configured", "access revoked": "configured"}
    (merchant,) = served.seed(1, seeded.get(state, "pending"), prefix="one-")
    if state == "access revoked":
        served.deauthorize(merchant)
    elif state == "unlinked":
        connection(served, merchant, "unlink")
    elif state == "no connection":
        connection(served, merchant, "delete")
    served.seed(3, "configured", prefix="usual-")
    assert merchantctl("import").code == 0
    wanted = load_fleet(Path("manifests")).merchants["one-00000"]
    assert wanted.platform == said.get("platform")
    assert wanted.link_state == said.get("connection.state", "Linked")
    mapped = state in ("unlinked", "access revoked")
    assert ("mapping.sales.accounts.sales" in wanted.fields) is mapped
    assert untouched(merchantctl)
    assert merchantctl("plan", "--detailed-exitcode").code == 0
    assert merchantctl("drift").code == (2 if state == "access revoked" else 0)


# -- Beside what is there


def test_run_again_it_adds_what_no_manifest_declares(merchantctl: Merchantctl, served: Emulator) -> None:
    served.seed(2, "configured", prefix="a-")
    merchantctl("import")
    first = text_of("profiles/xero")
    served.seed(2, "configured", prefix="b-")
    done = merchantctl("import")
    assert "2 companies declared already" in done.out
    assert text_of("profiles/xero") == first
    assert load_fleet(Path("manifests")).merchants["b-00001"].profile == "xero-2"
    assert merchantctl("import").out == "Nothing to import: 4 companies declared already.\n"
    assert untouched(merchantctl)


OTHER = """\
apiVersion: merchantctl/v1
kind: Merchant
metadata: {name: other}   # not a-00000
spec: {company: {name: Somebody else}, connection: {state: Unlinked}}
"""


def test_a_file_of_the_derived_name_that_declares_another_merchant_is_never_written_over(
    merchantctl: Merchantctl, served: Emulator
) -> None:
    served.seed(1, "configured", prefix="a-")
    there = Path("manifests/merchants/a-00000.yaml")
    there.parent.mkdir(parents=True)
    there.write_text(OTHER)
    for flags in ((), ("--overwrite",), ("--overwrite",)):
        assert merchantctl("import", "--match", "a-*", *flags).code == 0
        assert there.read_text() == OTHER
    assert sorted(path.name for path in there.parent.iterdir()) == ["a-00000-2.yaml", "a-00000.yaml"]
    assert sorted(load_fleet(Path("manifests")).merchants) == ["a-00000", "other"]


def test_overwriting_replaces_the_one_document_and_keeps_the_others_of_its_file_byte_for_byte(
    merchantctl: Merchantctl, served: Emulator
) -> None:
    first, second = served.seed(2, "configured", prefix="a-")
    merchantctl("import", "--no-profiles")
    files = [Path(f"manifests/merchants/{each['name']}.yaml") for each in (first, second)]
    mine, theirs = (each.read_text() for each in files)
    for file in files:
        file.unlink()
    theirs = theirs.replace("spec:\n", "spec:   # 'quoted',   and spaced as they like\n") + "# the end\n"
    shared = Path("manifests/all.yaml")
    shared.write_text(f"# ours\n--- # one\n{OTHER}---\n{mine}...\n---\n{theirs}")
    for each in (first, second):
        portal(served, each, {"enabled": False})
    assert merchantctl("import", "--overwrite", "--match", "a-00000").code == 0
    now = shared.read_text()
    before, after = f"# ours\n--- # one\n{OTHER}---\n", f"...\n---\n{theirs}"
    assert now.startswith(before)
    assert now.endswith(after)
    assert now[len(before) : -len(after)] == mine.replace("enabled: true", "enabled: false")
    assert _enabled("a-00000", "a-00001") == [False, True]
    for each in (first, second):
        portal(served, each, {"enabled": each is first})
    assert merchantctl("import", "--overwrite").code == 0
    assert _enabled("a-00000", "a-00001") == [True, False], "two of one file, each in its own document"


def _enabled(*names: str) -> list[object]:
    merchants = load_fleet(Path("manifests")).merchants
    return [merchants[name].fields["enabled"] for name in names]


HAND_WRITTEN = """\
# Ask Ann before you touch this one.
apiVersion: merchantctl/v1
kind: Merchant
metadata:
    name: acme    # the short name
    labels: {tier: gold}
spec:
    # what the books are called
    company:
        name: a-00000
        books: Acme Ltd
    profile: house
    enabled: true    # since May
    # the owner decides
    policy:
        drift: Report   # never write over Ann
    schedule: {syncHourUtc: 4}
"""


def test_what_a_person_wrote_stays_when_a_merchant_is_imported_anew(merchantctl: Merchantctl, served: Emulator) -> None:
    (merchant,) = served.seed(1, "configured", prefix="a-")
    Path("manifests").mkdir()
    profile = "apiVersion: merchantctl/v1\nkind: MappingProfile\nmetadata: {name: house}\nspec:\n"
    profile += "  connection: {platform: xero}\n  policy: {deletion: Disable}\n"
    Path("manifests/house.yaml").write_text(profile)
    file = Path("manifests/acme.yaml")
    file.write_text(HAND_WRITTEN)
    portal(served, merchant, {"schedule": {"syncHourUtc": 9}})
    assert merchantctl("import", "--overwrite").code == 0
    now = file.read_text()
    for line in ("# Ask Ann before you touch this one.", "name: acme    # the short name", "labels: {tier: gold}"):
        assert line in now
    assert "  # what the books are called\n  company:" in now
    assert "  enabled: true    # since May\n" in now
    assert "  # the owner decides\n  policy:" in now
    assert [path.name for path in Path("manifests").iterdir()].count("acme.yaml") == 1
    assert Path("manifests/house.yaml").read_text() == profile
    acme = load_fleet(Path("manifests")).merchants["acme"]
    assert (acme.labels, acme.books, acme.company_name) == ({"tier": "gold"}, "Acme Ltd", "a-00000")
    assert (acme.policy.drift, acme.policy.deletion) == ("Report", "Disable")
    assert acme.fields["schedule.syncHourUtc"] == 9
    assert merchantctl("import", "--overwrite").code == 0
    assert file.read_text() == now


def test_overwriting_what_already_says_what_is_live_changes_no_byte(merchantctl: Merchantctl, served: Emulator) -> None:
    served.seed(3, "configured", prefix="a-")
    merchantctl("import")
    before = {path: path.read_bytes() for path in Path("manifests").rglob("*.yaml")}
    assert merchantctl("import", "--overwrite").code == 0
    assert {path: path.read_bytes() for path in Path("manifests").rglob("*.yaml")} == before


@pytest.mark.parametrize("flags", [(), ("--overwrite",)])
@pytest.mark.parametrize("out", [(), ("--out", "fleet")])
def test_nothing_is_written_through_a_link_that_leads_out_of_the_root(
    merchantctl: Merchantctl, served: Emulator, folder: Path, flags: tuple[str, ...], out: tuple[str, ...]
) -> None:
    served.seed(1, "configured", prefix="a-")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a-00000.yaml").write_text("theirs\n")
    root = folder / (out[1] if out else "manifests")
    root.mkdir()
    (root / "merchants").symlink_to(elsewhere)
    ended = merchantctl("import", *out, *flags)
    assert ended.code != 0
    assert "outside the root" in ended.err
    assert [path.name for path in elsewhere.iterdir()] == ["a-00000.yaml"]
    assert (elsewhere / "a-00000.yaml").read_text() == "theirs\n"


def test_broken_manifests_beside_it_stop_the_import(merchantctl: Merchantctl, served: Emulator) -> None:
    served.seed(1, "configured", prefix="a-")
    Path("manifests").mkdir()
    Path("manifests/broken.yaml").write_text("kind: Merchan\n")
    done = merchantctl("import")
    assert done.code == 65
    assert "broken.yaml:1:7" in done.err


def test_a_merchant_that_the_state_knows_keeps_its_name_there(merchantctl: Merchantctl, served: Emulator) -> None:
    served.seed(2, "configured", prefix="shop-")
    merchantctl("import")
    manifest = Path("manifests/merchants/shop-00000.yaml")
    named = manifest.read_text().replace("{name: shop-00000}", "{name: acme}")
    manifest.write_text(named.replace("spec:\n", "spec:\n  company: {name: shop-00000}\n"))
    assert merchantctl("apply", "--yes").code == 0
    merchantctl("import", "--out", "elsewhere")
    assert sorted(load_fleet(Path("elsewhere")).merchants) == ["acme", "shop-00001"]
    assert load_fleet(Path("elsewhere")).merchants["acme"].company_name == "shop-00000"
    assert untouched(merchantctl, "--manifests", "elsewhere")


def test_a_company_name_that_cannot_name_a_manifest_is_given_beside_one_that_can(
    merchantctl: Merchantctl, served: Emulator
) -> None:
    long = "Long Shop " + "x" * 200
    for name in (long, "  Padded  Shop ", "padded-shop", "Hudson Hardware & Paint"):
        served.merchant(name)
    assert merchantctl("import").code == 0
    merchants = load_fleet(Path("manifests")).merchants
    assert {name: wanted.company_name for name, wanted in merchants.items()} == {
        slug(long): long,
        "Padded Shop": "Padded Shop",
        "padded-shop": "padded-shop",
        "Hudson Hardware & Paint": "Hudson Hardware & Paint",
    }
    assert Path("manifests/merchants/hudson-hardware-paint.yaml").is_file()
    assert untouched(merchantctl)


# -- There and back


def test_what_was_imported_makes_the_same_merchants_anew_in_an_empty_world(
    merchantctl: Merchantctl, served: Emulator
) -> None:
    merchants = served.seed(3, "configured", "gbol", prefix="uk-") + served.seed(2, "configured", "qhyg", prefix="us-")
    rows = served.configuration(merchants[1])["configuration"]["payments"]["accounts"]["cash"]["accountOptions"]
    patch = {"payments": {"accounts": {"cash": {"selectedAccountId": rows[0]["id"]}}}}
    portal(served, merchants[1], {"schedule": {"syncHourUtc": 3}, "configuration": patch})
    before = {merchant["name"]: chosen(served.configuration(merchant)) for merchant in merchants}
    merchantctl("import")
    served.control("POST", "/reset")
    Path("var/merchantctl.db").unlink()
    assert merchantctl("apply", "--yes").code == 0
    for company in companies(served):
        (pending,) = [each for each in company["dataConnections"] if each["status"] == "PendingAuth"]
        served.control("POST", f"/companies/{company['id']}/connections/{pending['id']}/authorize")
    served.advance("PT1M")
    assert merchantctl("apply", "--yes").code == 0
    after = {
        company["name"]: chosen(served.configuration({"companyId": company["id"]})) for company in companies(served)
    }
    assert after == before


def companies(served: Emulator) -> Any:
    return served.api.get("/meta/companies", params={"page": 1, "pageSize": 100}).json()["results"]


def chosen(document: dict[str, Any]) -> Any:
    """What is selected, by the names and codes of the books: ids differ from company to company."""
    named: dict[str, str] = {}

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(each) for each in node]
        if not isinstance(node, dict):
            return named.get(node, node) if isinstance(node, str) else node
        for options in (value for key, value in node.items() if key.endswith("Options") and isinstance(value, list)):
            named.update({each["id"]: each["name"] for each in options if isinstance(each, dict)})
        return {
            key: walk(value) for key, value in node.items() if not key.endswith("Options") or key.startswith("selected")
        }

    whole = walk(document)
    whole["configuration"]["sales"].pop("newTaxRates")
    return json.loads(json.dumps({key: whole[key] for key in ("enabled", "configured", "schedule", "configuration")}))


def test_what_has_no_key_is_named_shown_with_its_values_and_kept_by_a_write(
    merchantctl: Merchantctl, served: Emulator
) -> None:
    merchants = served.seed(2, "configured", prefix="uk-")
    cash = {"selectedAccountId": "acc-7", "accountOptions": [{"id": "acc-7", "name": "Till"}]}
    unknown = {
        "countryCode": "GB",
        "newPayments": {"syncPayments": True, "accounts": {"cash": cash}},
        "sales": {"newTaxRates": {"selectedDefaultZeroTaxRateId": None}},
    }
    portal(served, merchants[0], {"configuration": unknown})
    done = merchantctl("import")
    assert "  configuration.newPayments of uk-00000: no key of a manifest stands for it\n" in done.out
    assert "  configuration.sales.newTaxRates of uk-00001: no key of a manifest stands for it\n" in done.out
    assert "2 manifests do not say all that is live: merchantctl explain uk-00000 --live shows the rest.\n" in done.out
    assert text_of("merchants/uk-00000").startswith("# Not managed: configuration.countryCode, ")
    shown = merchantctl("explain", "uk-00000", "--live").out
    assert '\nconfiguration.countryCode: "GB"\n    live, not declarable: left as it is; no key ' in shown
    live = merchantctl("explain", "uk-00000", "configuration.newPayments", "--live", "-o", "json").json["undeclarable"]
    assert [(each["path"].removeprefix("configuration.newPayments."), each["value"]) for each in live] == [
        ("accounts.cash.selectedAccountId", "acc-7"),
        ("syncPayments", True),
    ]
    manifest = Path("manifests/merchants/uk-00000.yaml")
    manifest.write_text(f"{manifest.read_text()}  enabled: false\n")
    assert merchantctl("apply", "--yes").code == 0
    after = served.configuration(merchants[0])
    assert (after["enabled"], after["configuration"]["countryCode"]) == (False, "GB")
    assert after["configuration"]["newPayments"]["accounts"]["cash"]["selectedAccountId"] == "acc-7"
    assert (
        merchantctl("explain", "uk-00000", "configuration.newPayments", "--live", "-o", "json").json["undeclarable"]
        == live
    )


def test_a_value_that_no_key_can_hold_is_shown_as_live_unless_its_field_is_declared(
    merchantctl: Merchantctl, served: Emulator
) -> None:
    (merchant,) = served.seed(1, "configured", prefix="uk-")
    unset = {"configuration": {"sales": {"newTaxRates": {"selectedDefaultZeroTaxRateId": None}}}}
    portal(served, merchant, unset)
    merchantctl("import")
    assert merchantctl("explain", "uk-00000", "--live").out.endswith("Nothing is live that cannot be declared.\n")
    hourly = {"selectedFrequency": "Hourly", "frequencyOptions": ["Daily", "Hourly"]}
    portal(served, merchant, {"schedule": hourly})
    assert merchantctl("explain", "uk-00000", "--live", "-o", "json").json["undeclarable"] == []
    manifest = Path("manifests/merchants/uk-00000.yaml")
    manifest.write_text(manifest.read_text().replace("frequency: Daily, ", "").replace("    frequency: Daily\n", ""))
    (shown,) = merchantctl("explain", "uk-00000", "--live", "-o", "json").json["undeclarable"]
    assert (shown["path"], shown["value"]) == ("schedule.frequency", "Hourly")
    assert shown["reason"].startswith("no manifest can say it: ")


def test_a_monthly_sync_can_be_declared(merchantctl: Merchantctl, served: Emulator) -> None:
    (merchant,) = served.seed(1, "configured", prefix="uk-")
    portal(served, merchant, {"schedule": {"selectedFrequency": "Monthly"}})
    merchantctl("import")
    assert "frequency: Monthly" in text_of("merchants/uk-00000")
    assert untouched(merchantctl)


def test_a_reference_is_by_id_where_neither_code_nor_name_is_unique(merchantctl: Merchantctl, served: Emulator) -> None:
    (merchant,) = served.seed(1, "configured", "qhyg", prefix="us-")
    accounts = served.configuration(merchant)["configuration"]["payments"]["accounts"]
    cash, card = accounts["cash"]["selectedAccountId"], accounts["card"]["selectedAccountId"]
    served.control("PATCH", f"/companies/{merchant['companyId']}/accounts/{cash}", {"name": "POS card clearing"})
    merchantctl("import")
    fields = load_fleet(Path("manifests")).merchants["us-00000"].fields
    assert fields["mapping.payments.accounts.cash"] == Ref("id", cash)
    assert fields["mapping.payments.accounts.card"] == Ref("id", card)
    assert fields["mapping.payments.accounts.payout"] == Ref("name", "Checking")
    assert untouched(merchantctl)


def test_what_is_written_is_as_the_schema_for_editors_wants_it(merchantctl: Merchantctl, served: Emulator) -> None:
    merchants = served.seed(3, "configured", prefix="uk-")
    portal(served, merchants[0], {"configuration": {"payments": {"accounts": {"cash": {"selectedAccountId": None}}}}})
    portal(served, merchants[1], {"schedule": {"selectedFrequency": "Hourly"}})
    merchantctl("import")
    validator = jsonschema.Draft202012Validator(json_schema())
    found = [yaml_source.parse_yaml(file.read_bytes(), file.name) for file in Path("manifests").rglob("*.yaml")]
    documents = [node.value for text in found for node in text.documents]
    assert len(documents) == 4
    for document in documents:
        validator.validate(document)

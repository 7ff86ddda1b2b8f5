"""A state belongs to one account at one address: with another one nothing is looked at, let alone made anew."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from controller.cli.commands import COMMANDS
from controller.emulator.http.server import running_emulator
from controller.emulator.service.world import EmulatorSettings as EmulatorSettings
from controller.model.errors import WrongAccount
from tests.emulator import Emulator
from tests.end_to_end.place import LIST_COMPANIES, Place, count_writes_by_call, states_by_merchant
from tests.end_to_end.test_renames import ask
from tests.in_process import TEST_ACCOUNT
from tests.proxy import Between, ProxyAnswer, ProxyRequest, proxied

pytestmark = pytest.mark.over_tcp

WHOSE = "GET /profile/syncSettings"


@pytest.fixture
def other() -> Iterator[Emulator]:
    """Another account, at another address, that takes the same key."""
    settings = EmulatorSettings(api_key="key-of-the-tests", account="another-account")
    with running_emulator(settings) as url:
        yield Emulator(url, settings.api_key)


def at(place: Place, emulator: Emulator) -> None:
    place.emulator = emulator
    place.settings = replace(place.settings, base_url=emulator.url)


def total(place: Place) -> int:
    return int(sum(place.emulator.counts().values()))


def test_emulator_first_and_then_another_account_in_one_folder(place: Place, other: Emulator) -> None:
    """README's way: nothing is asked of the other account, nothing is written, and no finding is noted."""
    place.provision("acme", "bakery")
    before = ask(place, "state", "export")
    at(place, other)
    for verb in (("plan",), ("drift",), ("status",), ("apply", "--yes", "--allow", "re-create"), ("run", "--once")):
        said = ask(place, *verb, code=1)
        assert "the state belongs to http://127.0.0.1" in said, said
        assert "merchantctl state rebind" in said
        assert "MERCHANTCTL_STATE" in said
    assert "this is another account" in ask(place, "state", "rebind", code=1)
    assert total(place) <= 1  # the listing of `state rebind`
    assert json.loads(ask(place, "state", "export"))["tables"]["merchants"] == json.loads(before)["tables"]["merchants"]
    assert place.companies() == []


def account_of(name: str | None, key: str = "") -> Callable[[ProxyRequest, ProxyAnswer], ProxyAnswer]:
    """The same service, with another word for whose it is; None: that must not be asked."""

    def changed(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        if request.path != "/profile/syncSettings":
            return answer
        return answer.with_json({"clientId": name}) if name else replace(answer, status=403, body=b"")

    return changed


def test_another_key_at_the_same_address_is_asked_whose_it_is(place: Place) -> None:
    place.provision("acme")
    with proxied(place.emulator.url, account_of("first")) as url:
        place.settings = replace(place.settings, base_url=url)
        place.database.unlink()
        place.apply()
    # the key stays good at the emulator; only what is remembered of it is another one
    ask_sql(place, "UPDATE account SET key_hash = 'of another key', client_id = 'second'")
    with pytest.raises(WrongAccount, match="the state belongs to account second, and this key opens account"):
        at_recorded(place).plan()


def at_recorded(place: Place) -> Place:
    """As if the emulator was where the state belongs."""
    ask_sql(place, f"UPDATE account SET base_url = '{place.emulator.url}'")
    place.settings = replace(place.settings, base_url=place.emulator.url)
    return place


def ask_sql(place: Place, statement: str) -> None:
    import sqlite3

    with sqlite3.connect(place.database) as connection:
        connection.execute(statement)


def test_a_renewed_key_of_the_same_account_goes_on(place: Place) -> None:
    place.provision("acme")
    ask_sql(place, "UPDATE account SET key_hash = 'of the old key'")
    with place.count_requests() as during:
        assert states_by_merchant(place.plan()) == {"acme": "in-sync"}
    assert during[WHOSE] == 1
    place.apply()
    with place.count_requests() as during:
        place.plan()
        place.plan("acme")
    assert during[WHOSE] == 0


@pytest.mark.parametrize("known", [0, 1, 2, 3, 5])
def test_where_the_service_does_not_tell_the_companies_do(place: Place, other: Emulator, known: int) -> None:
    names = [f"m{number}" for number in range(known)]
    place.provision(*names)
    ask_sql(place, "DELETE FROM account")  # a state from before it was recorded
    before = place.companies()
    with proxied(other.url, account_of(None)) as url:
        place.settings = replace(place.settings, base_url=url)
        if not known:
            place.apply()
            return
        with pytest.raises(WrongAccount) as refused:
            place.apply(allow=("re-create",))
    assert ("this is another account" in str(refused.value)) is (known >= 3)
    forget = [f"merchantctl state rm {name}" in str(refused.value) for name in names]
    assert all(forget) if known < 3 else not any(forget)
    assert [each["id"] for each in before] == [each["id"] for each in place.companies()]
    assert count_writes_by_call(other_counts(other)) == {}


def other_counts(other: Emulator) -> Counter[str]:

    return Counter(other.counts())


def test_a_small_fleet_that_is_really_gone_begins_anew_as_it_is_told(place: Place) -> None:
    place.provision("acme")
    place.emulator.api.delete(f"/companies/{place.company('acme')['id']}")
    ask_sql(place, "DELETE FROM account")
    with proxied(place.emulator.url, account_of(None)) as url:
        place.settings = replace(place.settings, base_url=url)
        with pytest.raises(WrongAccount, match="merchantctl state rm acme"):
            place.plan()
        ask(place, "state", "rm", "acme")
        place.apply()
    assert [each["name"] for each in place.companies()] == ["acme"]


def test_a_state_from_before_is_bound_by_the_first_run_that_writes(place: Place) -> None:
    place.provision("acme", "bakery", "cafe")
    ask_sql(place, "DELETE FROM account")
    with place.count_requests() as during:
        place.plan()
        place.plan()
    assert during[WHOSE] == 2
    place.apply()
    with place.count_requests() as during:
        place.plan()
        place.apply()
    assert during[WHOSE] == 0


def test_a_known_account_costs_no_request(place: Place) -> None:
    place.provision("acme", "bakery")
    with place.count_requests() as during:
        place.plan("acme")
    assert sum(during.values()) <= 3
    assert during[WHOSE] == during[LIST_COMPANIES] == 0


def rebind(place: Place, url: str) -> str:
    """What `state rebind` says to that address of the emulator, which this place speaks to from now on."""
    place.settings = replace(place.settings, base_url=url)
    address, place.emulator.url = place.emulator.url, url
    said = ask(place, "state", "rebind")
    place.emulator.url = address
    return said


def test_a_new_address_of_the_same_account_is_said_once(place: Place) -> None:
    place.provision("acme", "bakery")
    with proxied(place.emulator.url, lambda request, answer: answer) as url:
        place.settings = replace(place.settings, base_url=url)
        with pytest.raises(WrongAccount, match="merchantctl state rebind"):
            place.plan()
        assert url in rebind(place, url)
        assert states_by_merchant(place.plan()) == {"acme": "in-sync", "bakery": "in-sync"}


def test_whose_the_state_is_stays_known_at_an_address_that_does_not_tell(place: Place) -> None:
    place.provision("acme")
    said: list[str | None] = [None]
    address = place.emulator.url
    with proxied(address, lambda request, answer: account_of(said[0])(request, answer)) as url:
        rebind(place, url)
        said[0] = "another"
        ask_sql(place, "UPDATE account SET key_hash = 'of another key'")
        with pytest.raises(
            WrongAccount, match=f"belongs to account {TEST_ACCOUNT}, and this key opens account another"
        ):
            place.plan()


def test_a_state_without_companies_is_not_bound_to_another_account(place: Place, other: Emulator) -> None:
    place.provision("acme")
    ask(place, "state", "rm", "acme")
    at(place, other)
    assert f"the state belongs to account {TEST_ACCOUNT}" in ask(place, "state", "rebind", code=1)


def test_doctor_tells_the_account_and_a_mismatch(place: Place, other: Emulator) -> None:
    place.provision("acme")
    assert "as the state says" in ask(place, "doctor", code=None)
    at(place, other)
    said = ask(place, "doctor", code=1)
    assert "another-account" in said
    assert "the state belongs to" in said
    assert "merchantctl state rebind" in said


@pytest.mark.parametrize("what", [(), ("--account",)], ids=["merchants", "the account"])
def test_import_does_not_go_by_the_memory_of_another_account(
    place: Place, other: Emulator, what: tuple[str, ...]
) -> None:
    place.provision("acme")
    at(place, other)
    said = ask(place, "import", *what, "--out", str(place.folder / "imported"), code=1)
    assert "the state belongs to" in said
    assert not (place.folder / "imported").exists()


def said_by_the_toml(place: Place, base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a file beside the manifests says where the API is, and nobody else does."""
    monkeypatch.chdir(place.folder)
    (place.folder / "merchantctl.toml").write_text(f'base_url = "{base_url}"\n')
    place.unset_variables = frozenset({"CODAT_BASE_URL"})


@pytest.mark.parametrize("host", ["notcodat.io", "api.codat.io.evil.example", "codat.io:443@evil.example"])
def test_a_host_that_only_looks_like_the_vendor_s_is_another_one(
    place: Place, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    place.profile()
    place.merchant("acme")
    said_by_the_toml(place, f"https://{host}", monkeypatch)
    said = ask(place, "plan", code=64)
    assert "Nothing was sent." in said or "is not the address of an API" in said


def test_a_state_is_not_bound_to_the_address_of_a_file_either(
    place: Place, other: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.provision("acme")
    said_by_the_toml(place, other.url, monkeypatch)
    before = other.counts()
    assert f"--base-url {other.url}" in ask(place, "state", "rebind", code=64)
    assert other.counts() == before


def test_a_file_of_the_repository_does_not_say_where_the_key_goes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.profile()
    place.merchant("acme")
    said_by_the_toml(place, place.emulator.url, monkeypatch)
    before = total(place)
    assert f"--base-url {place.emulator.url}" in ask(place, "apply", "--yes", code=64)
    assert total(place) == before
    ask(place, "--base-url", place.emulator.url, "apply", "--yes")
    ask(place, "plan")


def test_a_state_that_comes_with_the_file_vouches_for_no_address(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever changes the file may name a state of his own in it, or put one where the state is: made with his key."""
    place.profile()
    place.merchant("acme")
    ask(place, "apply", "--yes")
    said_by_the_toml(place, place.emulator.url, monkeypatch)
    ask(place, "plan")
    place.other_variables = {"CODAT_API_KEY": "key-of-somebody-else"}
    before = total(place)
    said = ask(place, "plan", code=64)
    assert f"say it once with --base-url {place.emulator.url} or CODAT_BASE_URL. Nothing was sent." in said
    assert total(place) == before


ASKING = (
    ("validate", "--online"),
    ("plan",),
    ("apply", "--yes"),
    ("drift",),
    ("status",),
    ("run", "--once"),
    ("rollout", "start", "--yes"),
    ("refresh",),
    ("link", "acme"),
    ("sync", "acme", "--status"),
    ("sync", "acme", "--yes"),
    ("push", "acme", "sales.json"),
    ("push", "acme", "--status"),
    ("options", "acme"),
    ("explain", "acme", "--live"),
    ("import", "--out", "-"),
    ("import", "--account", "--out", "-"),
    ("codify", "--diff"),
    ("state", "rebind"),
)
ASKING_NOTHING = {"impact", "report", "history", "fmt", "revision"}


def test_no_command_sends_the_key_to_the_address_of_a_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.profile()
    place.merchant("acme")
    (place.folder / "sales.json").write_text('{"orders": [{"id": "1"}]}')
    said_by_the_toml(place, place.emulator.url, monkeypatch)
    before = total(place)
    needing_settings = {name for name, row in COMMANDS.items() if row.needs_settings}
    assert {arguments[0] for arguments in ASKING} | ASKING_NOTHING == needing_settings
    for arguments in ASKING:
        assert "Nothing was sent." in ask(place, *arguments, code=64), arguments
    assert "Nothing was sent." in ask(place, "doctor", code=1)
    assert total(place) == before


@pytest.mark.parametrize("status", [301, 307])
def test_an_answer_that_leads_elsewhere_takes_the_key_nowhere(
    place: Place, other: Emulator, between: Between, status: int
) -> None:
    place.profile()
    place.merchant("acme")

    def led_elsewhere(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        return replace(answer, status=status, headers={"location": f"{other.url}{request.path}"}, body=b"")

    between.changed = led_elsewhere
    before = other.counts()
    ask(place, "plan", code=5)
    assert other.counts() == before

"""Groups of merchants of one platform: a profile for each where that is shorter, and none made of chance."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.desired.generate import LineCounter, ManifestValue, MerchantDraft, build_manifests
from controller.desired.loader import load_fleet
from controller.desired.merchant_clustering import find_groups, min_group_size
from controller.desired.yaml_writer import NewManifest, yaml_text
from controller.model.field_values import Ref

SHARED: dict[str, ManifestValue] = {
    "connection.platform": "xero",
    "enabled": True,
    "mapping.sales.sync": True,
    "mapping.payments.sync": True,
    "mapping.fees.sync": True,
    **{f"mapping.payments.accounts.kind{n}": Ref("code", f"8{n}") for n in range(8)},
}


def convention(digit: str, zone: str, *rates: str) -> dict[str, ManifestValue]:
    """What a country or a shop has of its own: a chart of accounts, a clock, tax rates."""
    accounts = {f"mapping.sales.accounts.item{n}": Ref("code", f"{digit}{n}") for n in range(5)}
    return {
        **SHARED,
        "schedule.time": "00:00",
        "schedule.timeZone": zone,
        **accounts,
        **{f'mapping.sales.taxRates["{rate}"]': Ref("id", f"{digit}-{rate}") for rate in rates},
    }


UK = convention("2", "Europe/London", "5", "20")
IRELAND = convention("4", "Europe/Dublin", "9", "23")


def named(fields: Sequence[dict[str, ManifestValue]], prefix: str = "m") -> list[MerchantDraft]:
    return [
        MerchantDraft(f"{prefix}-{n:03}", f"{prefix}-{n:03}", each, has_mapping=True) for n, each in enumerate(fields)
    ]


def profiles_of(manifests: Sequence[NewManifest]) -> dict[str, NewManifest]:
    return {each.name: each for each in manifests if each.kind == "MappingProfile"}


def users_of(manifests: Sequence[NewManifest]) -> dict[str | None, list[str]]:
    """By profile, the merchants that name it."""
    users = defaultdict(list)
    for each in manifests:
        if each.kind == "Merchant":
            users[each.spec.get("profile")].append(each.name)
    return dict(users)


def lines(manifests: Sequence[NewManifest]) -> int:
    return sum(yaml_text([each]).count("\n") for each in manifests)


def test_two_groups_become_two_profiles_on_what_both_share() -> None:
    manifests = [*build_manifests(named([UK, IRELAND] * 4), ())]
    profiles = profiles_of(manifests)
    assert [*profiles] == ["xero", "xero-london", "xero-dublin"]
    assert "extends" not in profiles["xero"].spec
    assert profiles["xero-london"].spec["extends"] == "xero"
    assert profiles["xero-london"].spec["schedule"] == {"timeZone": "Europe/London"}
    assert "payments" not in profiles["xero-london"].spec["mapping"]
    assert users_of(manifests) == {
        "xero-london": [f"m-{n:03}" for n in (0, 2, 4, 6)],
        "xero-dublin": [f"m-{n:03}" for n in (1, 3, 5, 7)],
    }
    assert {tuple(each.spec) for each in manifests if each.kind == "Merchant"} == {("profile",)}


def test_a_merchant_of_a_group_says_only_what_differs_from_its_group() -> None:
    odd = {**IRELAND, "mapping.sales.accounts.item0": Ref("code", "999")}
    manifests = [*build_manifests(named([*[UK] * 5, *[IRELAND] * 4, odd]), ())]
    assert manifests[-1].spec == {
        "profile": "xero-dublin",
        "mapping": {"sales": {"accounts": {"item0": {"code": "999"}}}},
    }


@pytest.mark.parametrize(
    ("merchants", "fields_at_random", "choices"),
    [(6, 4, "ab"), (10, 6, "abc"), (20, 10, "abc"), (40, 16, "abcde"), (200, 9, "ab")],
)
@pytest.mark.parametrize("seed", range(3))
def test_chance_makes_no_groups(merchants: int, fields_at_random: int, choices: str, seed: int) -> None:
    dice = random.Random(seed)
    fields = [
        {
            **UK,
            **{f"mapping.sales.accounts.item{n}": Ref("code", dice.choice(choices)) for n in range(fields_at_random)},
        }
        for _ in range(merchants)
    ]
    assert [*profiles_of([*build_manifests(named(fields), ())])] == ["xero"]


@pytest.mark.parametrize("telling", [1, 2])
def test_one_or_two_fields_that_differ_are_overrides_and_no_group(telling: int) -> None:
    other = {**UK, **{f"mapping.sales.accounts.item{n}": Ref("code", "x") for n in range(telling)}}
    assert [*profiles_of([*build_manifests(named([UK, other] * 20), ())])] == ["xero"]


@pytest.mark.parametrize(("few", "profiles"), [(2, 1), (3, 3)])
def test_a_group_has_three_merchants_at_least(few: int, profiles: int) -> None:
    assert len(profiles_of([*build_manifests(named([UK] * 6 + [IRELAND] * few), ())])) == profiles


@pytest.mark.parametrize(("few", "profiles"), [(5, 1), (6, 3)])
def test_a_group_has_two_percent_of_a_platforms_merchants_at_least(few: int, profiles: int) -> None:
    fields = [UK] * (300 - few) + [IRELAND] * few
    assert len(profiles_of([*build_manifests(named(fields), ())])) == profiles
    assert min_group_size(300) == 6


def test_platforms_are_grouped_each_for_itself() -> None:
    freeagent: dict[str, ManifestValue] = {**IRELAND, "connection.platform": "freeagent"}
    profiles = profiles_of([*build_manifests(named([UK, IRELAND, freeagent] * 3), ())])
    assert sorted(profiles) == ["freeagent", "xero", "xero-dublin", "xero-london"]


def test_groups_that_share_little_have_no_base() -> None:
    other: dict[str, ManifestValue] = {
        "connection.platform": "xero",
        **{f"mapping.fees.accounts.kind{n}": Ref("code", f"9{n}") for n in range(9)},
    }
    profiles = profiles_of([*build_manifests(named([UK] * 4 + [other] * 3), ())])
    assert len(profiles) == 2
    assert not any("extends" in each.spec for each in profiles.values())


def test_a_merchant_nearer_to_the_base_than_to_any_group_is_on_the_base() -> None:
    plain = {**SHARED, "schedule.syncHourUtc": 7}
    manifests = [*build_manifests(named([UK] * 8 + [IRELAND] * 8 + [plain]), ())]
    assert manifests[-1].spec == {"profile": "xero", "schedule": {"syncHourUtc": 7}}


@pytest.mark.parametrize(
    ("of_one", "of_other", "names"),
    [
        ({}, {}, ["xero", "xero-2", "xero-3"]),
        (
            {"mapping.sales.customer": Ref("name", "Till & Shop")},
            {"mapping.sales.customer": Ref("name", "POS")},
            ["xero", "xero-till-shop", "xero-pos"],
        ),
        (
            {"mapping.sales.customer": Ref("name", "日本")},
            {"mapping.sales.customer": Ref("name", "POS")},
            ["xero", "xero-2", "xero-pos"],
        ),
        (
            {f'mapping.sales.taxRates["{rate}"]': Ref("id", "t") for rate in ("5", "20", "17.5")},
            {'mapping.sales.taxRates["0"]': Ref("id", "t")},
            ["xero", "xero-tax-5-17-5-20", "xero-tax-0"],
        ),
    ],
)
def test_a_group_is_called_by_what_tells_it_from_the_others_else_by_number(
    of_one: dict[str, ManifestValue], of_other: dict[str, ManifestValue], names: list[str]
) -> None:
    one = {**convention("2", "Europe/London"), **of_one}
    other = {**convention("4", "Europe/London"), **of_other}
    assert [*profiles_of([*build_manifests(named([one] * 5 + [other] * 4), ())])] == names


def test_names_that_are_taken_are_counted_on_and_profiles_that_say_the_same_are_used() -> None:
    drafts = named([UK] * 5 + [IRELAND] * 4)
    first = profiles_of([*build_manifests(drafts, ())])
    beside = [*build_manifests(drafts, {"xero", "xero-london"})]
    assert [*profiles_of(beside)] == ["xero-2", "xero-london-2", "xero-dublin"]
    there = {name: each.spec for name, each in first.items()}
    again = [*build_manifests(drafts, there, there)]
    assert profiles_of(again) == {}
    assert sorted(map(str, users_of(again))) == ["xero-dublin", "xero-london"]


# -- Whatever the groups are


@st.composite
def fleets(draw: st.DrawFn) -> list[MerchantDraft]:
    """Up to four conventions, and merchants that differ from theirs in a few fields, or have no such field."""
    conventions = [UK, IRELAND, convention("6", "Europe/Paris", "10"), {**SHARED, "schedule.syncHourUtc": 4}]
    fields = []
    for each in draw(st.lists(st.sampled_from(conventions), min_size=6, max_size=30)):
        own = dict(each)
        for path in draw(st.lists(st.sampled_from(sorted(each)), max_size=3)):
            if path.startswith("mapping.") and "accounts" in path:
                own[path] = draw(st.sampled_from([None, Ref("code", "1"), Ref("code", "2"), Ref("name", "Tips")]))
            elif path not in ("connection.platform", "schedule.time", "schedule.timeZone", "schedule.syncHourUtc"):
                own.pop(path, None)
        fields.append(own)
    return named(fields)


@settings(max_examples=20, deadline=None)
@given(fleets(), st.randoms(use_true_random=False))
def test_nothing_is_lost_and_the_order_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, drafts: list[MerchantDraft], shuffler: random.Random
) -> None:
    grouped, alone = [*build_manifests(drafts, ())], [*build_manifests(drafts, (), profiles=False)]
    shuffled = shuffler.sample(drafts, len(drafts))
    other_order = [*build_manifests(shuffled, ())]
    assert {each.name: each for each in other_order} == {each.name: each for each in grouped}

    def loaded(manifests: Sequence[NewManifest]) -> dict[str, dict[str, object]]:
        folder: Path = tmp_path_factory.mktemp("fleet")
        (folder / "all.yaml").write_text(yaml_text(manifests), encoding="utf-8")
        fleet = load_fleet(folder)
        assert not fleet.diagnostics, [str(each) for each in fleet.diagnostics]
        return {
            name: {path: value for path, value in wanted.fields.items() if value is not None}
            for name, wanted in fleet.merchants.items()
        }

    assert loaded(grouped) == loaded(alone)
    users = users_of(grouped)
    groups = [name for name, each in profiles_of(grouped).items() if "extends" in each.spec]
    assert all(len(users[name]) >= min_group_size(len(drafts)) for name in groups)


@pytest.mark.parametrize("sizes", [(5, 4, 0), (20, 3, 0), (10, 10, 10)])
def test_groups_take_fewer_lines_than_one_profile(sizes: tuple[int, ...]) -> None:
    conventions = [UK, IRELAND, convention("6", "Europe/Paris", "10")]
    drafts = named([each for each, size in zip(conventions, sizes, strict=True) for _ in range(size)])
    count_lines, groups = LineCounter(drafts), list[tuple[int, ...]]()
    for size in filter(None, sizes):
        first = sum(map(len, groups))
        groups.append(tuple(range(first, first + size)))
    everyone = tuple(range(len(drafts)))
    assert lines([*build_manifests(drafts, ())]) == count_lines(groups) < count_lines([everyone])


def test_a_group_is_found_by_values_that_go_together_and_kept_where_it_saves_lines() -> None:
    declared = [{"a": n // 4, "b": n // 4, "c": n // 4, "d": 0} for n in range(8)]
    assert find_groups(declared, lambda groups: 10 - len(groups)) == ((0, 1, 2, 3), (4, 5, 6, 7))
    assert find_groups(declared, len) == (tuple(range(8)),)

"""Merchants called `shop[1]` and `shop1`: the first is also a shell glob for the second."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.end_to_end.place import Place, changes_by_merchant, count_writes_by_call

ONE_NAME = (
    ("status", "shop[1]"),
    ("explain", "shop[1]"),
    ("history", "shop[1]"),
    ("link", "shop[1]"),
    ("sync", "shop[1]", "--yes"),
    ("sync", "shop[1]", "--status"),
    ("push", "shop[1]", "orders.json"),
    ("state", "show", "shop[1]"),
    ("state", "rm", "shop[1]"),
    ("state", "mv", "shop[1]", "other"),
)


def test_a_target_that_is_a_name_writes_to_that_merchant_alone(place: Place) -> None:
    place.provision("shop1")
    place.merchant("shop[1]", company={"name": "shop one"})
    place.edit_in_portal("shop1", {"enabled": False})
    assert list(changes_by_merchant(place.plan("shop[1]"))) == ["shop[1]"]
    place.apply("shop[1]")
    assert place.document("shop1")["enabled"] is False
    assert [each["name"] for each in place.companies()] == ["shop one", "shop1"]


def test_a_target_whose_manifest_is_gone_or_elsewhere_is_no_glob_for_another(
    place: Place, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    place.provision("shop1")
    place.merchant("shop[1]", company={"name": "shop one"})
    place.apply()
    place.edit_in_portal("shop1", {"enabled": False})
    elsewhere = str(place.manifests / "merchant-shop1.yaml")
    with place.count_requests() as counts:
        assert command_line("apply", elsewhere, "--target", "shop[1]", "--yes")[0] == 64
        place.remove_manifests("shop[1]")
        code, _, err = command_line("apply", "--target", "shop[1]", "--yes")
    assert (code, count_writes_by_call(counts)) == (64, {})
    assert "no merchant is called 'shop[1]'" in err


@pytest.mark.parametrize("arguments", ONE_NAME, ids=" ".join)
def test_a_verb_about_one_merchant_never_takes_the_name_for_a_glob(
    place: Place, command_line: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...]
) -> None:
    place.provision("shop1")
    (place.folder / "orders.json").write_text('{"commerce-orders": []}')
    remembered = command_line("state", "export")[1]
    with place.count_requests() as counts:
        code, out, _ = command_line(*arguments)
    assert "shop1" not in out
    assert code == (0 if arguments[0] == "history" else 64 if arguments[0] != "state" else 1)
    assert count_writes_by_call(counts) == {}
    assert command_line("state", "export")[1] == remembered


@pytest.mark.parametrize("arguments", [("status", "shop[1]"), ("explain", "shop[1]"), ("state", "show", "shop[1]")])
def test_a_verb_about_one_merchant_finds_it_under_its_own_name(
    place: Place, command_line: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...]
) -> None:
    place.provision("shop1")
    place.merchant("shop[1]", company={"name": "shop one"})
    place.apply()
    code, out, _ = command_line(*arguments)
    assert code == 0
    assert "shop one" in out or "shop[1]" in out
    assert "shop1\n" not in out

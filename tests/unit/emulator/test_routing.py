"""Paths to places: fixed segments first, parameters by position, a way back out of a dead end."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.routing import Route

from controller.emulator.http.routing import NoRoute, RouteMatch, Router
from tests.narrowing import expect


async def nobody(request: Any) -> None:
    raise AssertionError("routing calls nobody")


def router_of(*entries: tuple[str, str]) -> Router:
    router = Router()
    router.add("api", [Route(path, nobody, methods=[method]) for method, path in entries])
    return router


def test_a_fixed_segment_goes_before_a_parameter() -> None:
    router = router_of(("GET", "/rules/alerts"), ("GET", "/rules/{ruleId}"))

    assert expect(RouteMatch, router.find("GET", "/rules/alerts")).entry.template == "/rules/alerts"
    assert expect(RouteMatch, router.find("GET", "/rules/7")).parameters == {"ruleId": "7"}


def test_a_fixed_segment_that_leads_nowhere_is_left_for_the_parameter() -> None:
    router = router_of(("GET", "/rules/alerts/{alertId}"), ("GET", "/{clientId}/{key}/x/start"))

    found = expect(RouteMatch, router.find("GET", "/rules/alerts/x/start"))

    assert found.parameters == {"clientId": "rules", "key": "alerts"}


def test_parameters_keep_the_names_of_their_own_template() -> None:
    router = router_of(("GET", "/a/{one}/b"), ("GET", "/a/{other}/c"))

    assert expect(RouteMatch, router.find("GET", "/a/1/b")).parameters == {"one": "1"}
    assert expect(RouteMatch, router.find("GET", "/a/1/c")).parameters == {"other": "1"}


@pytest.mark.parametrize("path", ["/a/history", "/a/history/"])
def test_a_trailing_slash_makes_no_difference(path: str) -> None:
    router = router_of(("GET", "/{id}/history/"))

    assert expect(RouteMatch, router.find("GET", path)).entry.template == "/{id}/history/"


def test_another_method_is_told_from_another_path() -> None:
    router = router_of(("GET", "/a"), ("POST", "/a"))

    assert router.find("PUT", "/a") == NoRoute(("GET", "POST"))
    assert router.find("GET", "/b") == NoRoute(())


def test_an_empty_segment_is_no_parameter() -> None:
    assert router_of(("GET", "/a/{id}/b")).find("GET", "/a//b") == NoRoute(())


def test_two_routes_for_one_place_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two routes for GET /a"):
        router_of(("GET", "/a"), ("GET", "/a"))


def test_what_lies_below_emulator_is_a_control_whoever_brings_it() -> None:
    router = router_of(("GET", "/_emulator/x"), ("GET", "/x"))

    assert expect(RouteMatch, router.find("GET", "/_emulator/x")).entry.surface == "control"
    assert expect(RouteMatch, router.find("GET", "/x")).entry.surface == "api"

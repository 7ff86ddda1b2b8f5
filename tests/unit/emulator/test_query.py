"""The query language, ordering and paging of the emulator (API notes 1.6 to 1.8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.emulator.http.query import compile_query, queried_page_json
from controller.emulator.service.errors import ApiError

MALFORMED = "Error parsing query - Malformed query."
SALES = {"id": "1", "name": "Sales", "currentBalance": 120.5, "type": "Income", "isBankAccount": False}
TILL = {"id": "2", "name": "Till cash", "currentBalance": 40, "type": "Asset", "isBankAccount": True}
CARD = {"id": "3", "name": "Card clearing", "type": "Asset", "isBankAccount": True}
TIPS = {"id": "4", "name": "Tips = extra", "currentBalance": -3, "type": "Liability"}
ACCOUNTS = [
    SALES,
    TILL,
    {**CARD, "metadata": {"isDeleted": True}},
    {**TIPS, "metadata": {"isDeleted": False}},
]
COMPANIES: list[dict[str, Any]] = [
    {"id": "none", "dataConnections": []},
    {"id": "pending", "dataConnections": [{"status": "Linked"}, {"status": "PendingAuth"}]},
    {"id": "linked", "dataConnections": [{"status": "Linked"}, {"status": "Linked"}]},
]


def chosen(query: str, items: Sequence[dict[str, Any]] = ACCOUNTS, kind: str = "Account", **params: str) -> list[str]:
    return [item["id"] for item in queried_page_json(items, {"query": query, **params}, "/x", kind)["results"]]


def complaint(params: dict[str, str], kind: str = "Account") -> tuple[int, str]:
    with pytest.raises(ApiError) as raised:
        queried_page_json(ACCOUNTS, params, "/x", kind)
    return raised.value.status, raised.value.error


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("id=2", ["2"]),
        ("type!=Asset", ["1", "4"]),
        ("name~a", ["1", "2", "3", "4"]),
        ("name ~ cash", ["2"]),
        ("currentBalance>40", ["1"]),
        ("currentBalance>=40", ["1", "2"]),
        ("currentBalance<0", ["4"]),
        ("currentBalance <= 40", ["2", "4"]),
        ("isBankAccount=true", ["2", "3"]),
        ("metadata.isDeleted!=true", ["1", "2", "4"]),
        ("metadata.isDeleted=false", ["4"]),
        ("name=Tips = extra", ["4"]),
        ("type = income", ["1"]),
        ("", ["1", "2", "3", "4"]),
    ],
)
def test_each_operator_compares_as_documented(query: str, ids: list[str]) -> None:
    assert chosen(query) == ids


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("type=Asset&&name~cash", ["2"]),
        ("id=1 || id=3", ["1", "3"]),
        ("id=1||id=2&&type=Income", ["1"]),
        ("{id=1||id=2}&&type=Income", ["1"]),
        ("{currentBalance > 100 || currentBalance < 50} && type != Asset", ["1", "4"]),
        ("{{{id=1}||{id=2}}}", ["1", "2"]),
        ("id=9||{id=1&&type=Income}||id=4", ["1", "4"]),
    ],
)
def test_and_binds_tighter_than_or_and_braces_group(query: str, ids: list[str]) -> None:
    assert chosen(query) == ids


@pytest.mark.parametrize(
    "query",
    [
        "id",
        "=1",
        "id=",
        "id==1",
        "id=1&&",
        "&&id=1",
        "id=1 && || id=2",
        "{id=1",
        "id=1}",
        "{}",
        "{id=1}{id=2}",
        "id=1{id=2}",
        "currentBalance~1",
        "currentBalance=abc",
        "currentBalance=nan",
        "name>Sales",
        "isBankAccount=maybe",
        "isBankAccount>true",
        "modifiedDate>yesterday",
        "{" * 1000,
        "x" * 2048,
        "id=" + "1" * 2045,
    ],
)
def test_a_malformed_expression_is_refused_in_the_documented_words(query: str) -> None:
    assert complaint({"query": query}) == (400, MALFORMED)


def test_an_expression_just_under_the_limit_is_read() -> None:
    assert chosen("id=" + "1" * 2044) == []


def test_a_thousand_braces_are_no_deeper_than_one() -> None:
    assert chosen("{" * 1000 + "id=1" + "}" * 1000) == ["1"]


@pytest.mark.parametrize(
    ("query", "kind", "words"),
    [
        ("isCompleted=true", "Dataset", "isCompleted on Dataset"),
        ("nope=1", "Account", "nope on Account"),
        ("validDatatypeLinks.property=Id", "Account", "validDatatypeLinks.property on Account"),
        ("dataConnections.count=0", "Company", "dataConnections.count on Company"),
    ],
)
def test_an_unknown_property_and_an_array_are_named_in_the_complaint(query: str, kind: str, words: str) -> None:
    assert complaint({"query": query}, kind) == (
        400,
        f"Error parsing query - Could not resolve property {words}",
    )


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("dataConnections.status=PendingAuth", ["pending"]),
        ("dataConnections.status!=PendingAuth", ["none", "linked"]),
        ("dataConnections.status!=PendingAuth&&dataConnections.status!=Linked", ["none"]),
        ("dataConnections.status=linked", ["pending", "linked"]),
    ],
)
def test_an_array_path_is_equal_if_any_element_is_and_unequal_if_none_is(query: str, ids: list[str]) -> None:
    assert chosen(query, COMPANIES, "Company") == ids


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("requested>2022-03-21", ["b", "c"]),
        ("requested>=2022-03-21T20:43:46.6756749Z", ["b", "c"]),
        ("requested<2022-03-21T00:00:00-05:00", ["a"]),
        ("completed!=2022-03-21", ["a", "b", "c"]),
        ("completed>2022-01-01", []),
    ],
)
def test_dates_compare_as_instants_in_every_written_form(query: str, ids: list[str]) -> None:
    datasets = [
        {"id": "a", "requested": "2022-03-20T23:59:59Z"},
        {"id": "b", "requested": "2022-03-21T20:43:46.6756749Z"},
        {"id": "c", "requested": "2022-03-22T01:00:00+02:00"},
    ]
    assert chosen(query, datasets, "Dataset") == ids


def test_a_query_encoded_twice_is_decoded_once_more() -> None:
    assert chosen("isBankAccount%3Dtrue%26%26id%3d2") == ["2"]


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        ("currentBalance", ["3", "4", "2", "1"]),
        ("-currentBalance", ["1", "2", "4", "3"]),
        ("name", ["3", "1", "2", "4"]),
        ("metadata.isDeleted", ["1", "2", "4", "3"]),
    ],
)
def test_one_field_orders_the_list_either_way(order: str, ids: list[str]) -> None:
    assert chosen("", orderBy=order) == ids


def test_ordering_by_an_unknown_field_is_refused() -> None:
    assert complaint({"orderBy": "-nope"})[1].endswith("nope on Account")


def test_query_and_order_work_together_and_the_total_counts_what_matched() -> None:
    answer = queried_page_json(ACCOUNTS, {"query": "type=Asset", "orderBy": "-id", "pageSize": "1"}, "/x", "Account")
    assert [item["id"] for item in answer["results"]] == ["3"]
    assert answer["totalResults"] == 2


def test_the_envelope_has_its_five_members_and_canonical_links() -> None:
    assert queried_page_json([], {}, "/companies", "Company") == {
        "results": [],
        "pageNumber": 1,
        "pageSize": 100,
        "totalResults": 0,
        "_links": {"self": {"href": "/companies"}, "current": {"href": "/companies?page=1&pageSize=100"}},
    }


def test_next_and_previous_appear_only_where_there_is_one() -> None:
    links = [
        sorted(queried_page_json(ACCOUNTS, {"page": number, "pageSize": "2"}, "/x", "Account")["_links"])
        for number in ("1", "2", "3")
    ]
    assert links == [
        ["current", "next", "self"],
        ["current", "previous", "self"],
        ["current", "previous", "self"],
    ]


def test_links_carry_the_query_encoded_once() -> None:
    href = queried_page_json(ACCOUNTS, {"query": "name=Till cash", "pageSize": "5"}, "/x", "Account")["_links"][
        "current"
    ]["href"]
    assert href == "/x?page=1&pageSize=5&query=name%3DTill%20cash"
    assert parse_qs(urlsplit(href).query)["query"] == ["name=Till cash"]


@pytest.mark.parametrize(
    "params",
    [
        {"page": "0"},
        {"page": "-1"},
        {"page": "x"},
        {"page": "2147483648"},
        {"page": "١"},
        {"pageSize": "0"},
        {"pageSize": "5001"},
        {"pageSize": "1.5"},
    ],
)
def test_page_numbers_and_sizes_out_of_range_are_refused(params: dict[str, Any]) -> None:
    assert complaint(params) == (400, "Error processing request - not valid.")


def test_without_a_query_no_item_is_looked_at() -> None:
    class Lazy(Sequence[Any]):
        def __len__(self) -> int:
            return 10_000

        def __getitem__(self, index: Any) -> Any:
            assert isinstance(index, slice)
            return range(*index.indices(len(self)))

    answer = queried_page_json(Lazy(), {"page": "2", "pageSize": "5000"}, "/companies", "Company")
    assert answer["results"] == list(range(5000, 10_000))
    assert answer["totalResults"] == 10_000


CLAUSES = st.sampled_from(["id=1", "id!=1", "name~a", "currentBalance>=40", "isBankAccount=true"])
EXPRESSIONS = st.recursive(
    CLAUSES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", " || "]), inner).map("".join),
        inner.map(lambda text: "{" + text + "}"),
    ),
    max_leaves=12,
)


def evaluated_by_python(expression: str, item: dict[str, Any]) -> bool:
    """The same expression, read by another parser."""
    for clause in ("id!=1", "id=1", "name~a", "currentBalance>=40", "isBankAccount=true"):
        expression = expression.replace(clause, str(compile_query(clause, "Account")(item)))
    for ours, theirs in (("&&", " and "), ("||", " or "), ("{", "("), ("}", ")")):
        expression = expression.replace(ours, theirs)
    return bool(eval(expression))


@given(EXPRESSIONS, st.sampled_from(ACCOUNTS))
def test_every_well_formed_expression_agrees_with_another_parser(expression: str, item: dict[str, Any]) -> None:
    assert compile_query(expression, "Account")(item) is evaluated_by_python(expression, item)


@given(st.text(alphabet="id=1&|{}~<>! nameTrue%3D", max_size=60))
def test_any_text_is_either_read_or_refused_with_400(text: str) -> None:
    refused = None
    try:
        queried_page_json(ACCOUNTS, {"query": text}, "/x", "Account")
    except ApiError as refusal:
        refused = refusal.status
    assert refused in (None, 400)

"""One value changed in a file's text: nothing else of it changes, however it is written."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.desired.yaml_editor import FileEdits, set_value
from controller.desired.yaml_reader import parse_yaml

LINED = """\
# who they are
apiVersion: merchantctl/v1
kind: Merchant
metadata: {name: acme}
spec:
  # the usual
  profile: uk   # British
  mapping:
    sales:
      accounts:
        sales: {code: "200"}   # Sales
        # kept for the auditor
        tips:
          name: Tips payable  # as of June
    fees: {sync: true}
  enabled: true

# the end
"""
FLOW = (
    "{apiVersion: merchantctl/v1, kind: Merchant, metadata: {name: acme}, spec: {profile: uk, mapping: "
    '{sales: {accounts: {sales: {code: "200"}, tips: {name: Tips payable}}}, fees: {sync: true}}, enabled: true}}\n'
)
WAYS = [
    LINED,
    FLOW,
    LINED.replace("\n", "\r\n"),
    "\ufeff" + LINED,
    LINED.rstrip(),
    "kind: x\n---\n" + LINED + "---\n{a: 1}\n",
]
ACCOUNTS = ("spec", "mapping", "sales", "accounts")


def changed(text: str, keys: tuple[str, ...], value: Any, comment: tuple[str, str] | None = None) -> str:
    content = set_value(text.encode(), "Merchant", "acme", keys, value, comment)
    assert content is not None
    return content.decode()


def test_a_value_is_replaced_and_what_stands_beside_it_stays() -> None:
    after = changed(LINED, (*ACCOUNTS, "sales"), {"code": "210"})
    assert after == LINED.replace('{code: "200"}', '{code: "210"}')


def test_a_reference_in_lines_of_its_own_keeps_them() -> None:
    after = changed(LINED, (*ACCOUNTS, "tips"), {"code": "825"})
    assert after == LINED.replace("name: Tips payable", 'code: "825"')


def test_a_comment_that_names_what_the_value_meant_follows_it() -> None:
    after = changed(LINED, (*ACCOUNTS, "sales"), {"code": "210"}, ("Sales", "Other sales"))
    assert '{code: "210"}   # Other sales\n' in after
    assert "# British" in changed(LINED, ("spec", "profile"), "us", ("Sales", "Other sales"))


def test_what_is_not_there_yet_is_a_new_entry_of_the_deepest_mapping_that_is() -> None:
    assert changed(LINED, (*ACCOUNTS, "refund"), {"code": "205"}).count("\n") == LINED.count("\n") + 1
    after = changed(LINED, ("spec", "schedule", "syncHourUtc"), 3)
    assert after == LINED.replace("  enabled: true\n", "  enabled: true\n  schedule: {syncHourUtc: 3}\n")
    assert "fees: {sync: true, supplier: null}" in changed(LINED, ("spec", "mapping", "fees", "supplier"), None)


@pytest.mark.parametrize("value", [{"code": "210"}, {"name": "Ünder #1: a"}, {"id": "x, y"}, None])
@pytest.mark.parametrize(
    "keys", [(*ACCOUNTS, "sales"), (*ACCOUNTS, "new"), ("spec", "mapping", "payments", "accounts", "card")]
)
@pytest.mark.parametrize("way", WAYS)
def test_however_it_is_written_the_value_is_there_and_the_rest_is_as_before(
    way: str, keys: tuple[str, ...], value: Any
) -> None:
    after = changed(way, keys, value)
    assert [line for line in way.splitlines() if "#" in line and "200" not in line] == [
        line for line in after.splitlines() if "#" in line and "Ünder" not in line and "# Sales" not in line
    ]


def test_a_list_of_lines_stays_one() -> None:
    text = LINED.replace("    fees", "    grouping:\n      - Location\n      - Item\n    fees")
    after = changed(text, ("spec", "mapping", "grouping"), ["Location"])
    assert after == text.replace("      - Item\n", "")


IN_LINES = """\
    - Location   # by shop
    - Item       # for the auditor
    - Month
"""


@pytest.mark.parametrize(
    ("key", "old", "new", "after"),
    [
        (
            "a list keeps each comment beside its item, and those of items that go above",
            IN_LINES,
            ["Location", "Month"],
            "    # for the auditor\n    - Location   # by shop\n    - Month\n",
        ),
        (
            "brackets over several lines",
            "    [Location,   # by shop\n     Item]   # two\n",
            ["Item"],
            "    # by shop\n    [Item]   # two\n",
        ),
        (
            "a reference in lines of its own",
            '    code: "610"   # the till\n    create: {name: "Till # 1", type: Asset.Current}\n',
            {"code": "620"},
            '    # the till\n    code: "620"\n',
        ),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_no_comment_is_lost_with_what_it_stood_in(key: str, old: str, new: Any, after: str, end: str) -> None:
    head = "apiVersion: merchantctl/v1\nkind: Merchant\nmetadata: {name: acme}\nspec:\n  # above\n"
    before = f"{head}  {key}:\n{old}  enabled: true\n".replace("\n", end)
    assert changed(before, ("spec", key), new) == f"{head}  {key}:\n{after}  enabled: true\n".replace("\n", end)


@pytest.mark.parametrize("way", ["{}", "\ufeff{}", "# top\n---\n{}", "{}...\n# between\n---\n---\n{{a: 1}}\n"])
def test_of_many_documents_each_is_edited_by_itself(way: str) -> None:
    documents = [LINED.replace("acme", f"m-{number}") + "# é --- #\n" for number in range(40)]
    text = way.format("---\n".join(documents))
    edits, lengths = FileEdits(text.encode()), []

    def change(name: str, document: bytes) -> bytes | None:
        lengths.append(len(document))
        return set_value(document, "Merchant", name, ("spec", "enabled"), False)

    assert edits.content == text.encode()
    assert all(edits.edit("Merchant", f"m-{number}", partial(change, f"m-{number}")) for number in range(0, 40, 2))
    assert edits.content.decode().replace("enabled: false", "enabled: true") == text
    assert edits.content.count(b"enabled: false") == 20
    assert max(lengths) < 2 * len(LINED), "what one change costs does not grow with the file"
    assert not edits.edit("Merchant", "nobody", lambda document: document)
    assert not FileEdits((text + "---\n" + text).encode()).edit("Merchant", "m-1", lambda document: document)


@pytest.mark.parametrize(
    "text",
    [
        LINED.replace('{code: "200"}', '&a {code: "200"}'),
        LINED.replace("mapping:\n", "mapping: &m\n"),
        LINED.replace("name: acme", "name: other"),
        f"{LINED}---\n{LINED}",
        "spec: [",
    ],
)
def test_what_would_change_something_else_is_not_written(text: str) -> None:
    assert set_value(text.encode(), "Merchant", "acme", (*ACCOUNTS, "sales"), {"code": "210"}) is None


words = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda text: text.strip() == text
)


@given(words, st.sampled_from(WAYS))
def test_any_text_can_be_written(word: str, way: str) -> None:
    content = set_value(way.encode(), "Merchant", "acme", (*ACCOUNTS, "sales"), {"name": word})
    if content is not None:
        (value,) = [
            node.get(*ACCOUNTS, "sales", "name") for node in parse_yaml(content, "").documents if node.get("spec")
        ]
        assert value is not None

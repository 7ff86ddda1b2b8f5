"""One document replaced in its file: nothing else of the file changes, however it is written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.desired.document_rewriter import rewrite_merchant
from controller.desired.yaml_reader import parse_yaml
from controller.desired.yaml_writer import NewManifest

LINED = """\
apiVersion: merchantctl/v1
kind: Merchant
metadata: {name: acme}
spec:
  enabled: true
  policy: {deletion: Delete}
"""
MARGIN = LINED.replace("  ", "      ")
FLOW = "{apiVersion: merchantctl/v1, kind: Merchant, metadata: {name: acme}, spec: {policy: {deletion: Delete}}}\n"
ANCHORED = LINED.replace("spec:\n", "spec: &s\n").replace("{deletion: Delete}", "&p {deletion: Delete}")
SPEC_FIRST = "spec:\n  policy: {deletion: Delete}\n# about the name\nmetadata: {name: acme}\n" + (
    "kind: Merchant\napiVersion: merchantctl/v1\n"
)
EMPTY_SPEC = "apiVersion: merchantctl/v1\nkind: Merchant\nmetadata: {name: acme}\nspec: {}\n"
NO_NEWLINE = LINED.rstrip("\n")
WAYS = [LINED, MARGIN, FLOW, ANCHORED, SPEC_FIRST, EMPTY_SPEC, NO_NEWLINE, LINED.replace("\n", "\r\n")]

others = st.sampled_from(
    [
        "# only words\nkind: x\n",
        "kind: MappingProfile\nmetadata: {name: acme}\nspec: {}\n",
        "kind: Merchant\nmetadata: {name: 'acme2'}   # near\nspec: {}\n\n\n",
        "kind: Merchant\r\nmetadata: {name: é}\r\nspec: {enabled: true}\r\n",
        "- a list\n- of things\n",
        "text: |\n  ---x\n  metadata: {name: acme}\n",
    ]
)
marks = st.sampled_from(["---\n", "--- # here\n", "...\n---\n", "...\n# between\n---\n"])
NEW = NewManifest("Merchant", "acme", {"profile": "xero", "enabled": False, "schedule": {"syncHourUtc": 3}})


def documents(content: bytes) -> list[Any]:
    return [node.value for node in parse_yaml(content, "f").documents]


@given(st.lists(st.tuples(others, marks), max_size=3), st.sampled_from(WAYS), st.lists(st.tuples(marks, others)))
def test_the_bytes_before_and_after_the_document_stay(
    before: list[tuple[str, ...]], way: str, after: list[tuple[str, ...]]
) -> None:
    head = "".join(document + mark for document, mark in before).encode()
    tail = "".join(mark + document for mark, document in after).encode()
    if after and not way.endswith("\n"):
        way += "\n"
    new = rewrite_merchant(head + way.encode() + tail, NEW)
    assert new is not None
    assert new.startswith(head)
    assert new.endswith(tail)
    policy = {} if way == EMPTY_SPEC else {"policy": {"deletion": "Delete"}}
    (mine,) = [
        each
        for each in documents(new)
        if isinstance(each, dict) and each.get("metadata") == {"name": "acme"} and each["kind"] == "Merchant"
    ]
    assert mine["spec"] == {**NEW.spec, **policy}
    assert len(documents(new)) == len(documents(head + way.encode() + tail))


@pytest.mark.parametrize("mark", ["--- ", "---\t"])
def test_a_document_that_begins_on_the_line_of_its_mark_is_replaced_too(mark: str) -> None:
    content = f"kind: MappingProfile\n{mark}{FLOW}---\nkind: x\n"
    new = rewrite_merchant(content.encode(), NEW)
    assert new is not None
    assert new.startswith(b"kind: MappingProfile\n---\n")
    assert new.endswith(b"---\nkind: x\n")
    assert documents(new)[1]["spec"]["policy"] == {"deletion": "Delete"}


@pytest.mark.parametrize("content", ["", LINED.replace("acme", "bolt"), f"{LINED}---\n{LINED}", "kind: {"])
def test_a_file_that_does_not_declare_the_merchant_exactly_once_is_left_alone(content: str) -> None:
    assert rewrite_merchant(content.encode(), NEW) is None


def test_keys_that_this_version_does_not_import_stay() -> None:
    more = LINED.replace("  policy", "  suspend: {reason: strike}   # until it ends\n  policy")
    new = rewrite_merchant(more.encode(), NEW)
    assert new is not None
    assert b"  suspend: {reason: strike}   # until it ends\n" in new


def test_a_comment_of_an_earlier_import_is_not_said_twice() -> None:
    noted = NewManifest(NEW.kind, NEW.name, NEW.spec, header_comments=("Not managed: enabled, so.",))
    first = rewrite_merchant(LINED.encode(), noted)
    assert first is not None
    assert first.count(b"# Not managed: ") == 1
    second = rewrite_merchant(first.replace(b"syncHourUtc: 3", b"syncHourUtc: 4"), noted)
    assert second == first

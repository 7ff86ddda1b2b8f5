"""One layout for all manifests: values and comments stay, and what is laid out once stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.desired.yaml_formatter import format_manifests
from controller.desired.yaml_reader import parse_yaml
from tests.unit.desired.test_yaml_editor import LINED, WAYS

UNTIDY = """\
---
kind: Merchant   # as ever
apiVersion: merchantctl/v1


spec:
      enabled:   true
      # what differs
      mapping:
            # of the payments
            payments: {sync: true}

            sales:
                   accounts:
                        # the first
                        sales: {code: "200"}   # Sales
                        tips:
                           name: Tips payable
                        # refund: {code: "205"}
                   sync: true
            # end of the mapping
      unmanaged:
         - schedule.time     # theirs
         - enabled
      profile: uk
metadata: {name: acme, labels: {tier: gold}}
# the end
"""

TIDY = """\
apiVersion: merchantctl/v1
kind: Merchant   # as ever
metadata: {name: acme, labels: {tier: gold}}

spec:
  profile: uk
  enabled: true
  # what differs
  mapping:

    sales:
      sync: true
      accounts:
        # the first
        sales: {code: "200"}   # Sales
        tips:
          name: Tips payable
        # refund: {code: "205"}
    # of the payments
    payments: {sync: true}
    # end of the mapping
  unmanaged:
    - schedule.time     # theirs
    - enabled
# the end
"""


def formatted(text: str) -> str:
    content = format_manifests(text.encode())
    assert content is not None
    return content.decode()


def test_levels_and_order_are_one_and_comments_go_with_what_they_are_about() -> None:
    assert formatted(UNTIDY) == TIDY


def test_what_stands_above_all_stays_there_whichever_key_comes_first() -> None:
    above, first, second = "# who they are\n\n# since June\n", "kind: Merchant\n", "apiVersion: merchantctl/v1\n"
    rest = "# which\nmetadata: {name: acme}\n"
    assert format_manifests(f"{above}{first}{rest}{second}".encode()) == f"{above}{second}{first}{rest}".encode()


@pytest.mark.parametrize("text", [UNTIDY, LINED, *(way for way in WAYS if not way.startswith(("{", "kind: x")))])
def test_what_is_laid_out_stays_as_it_is_and_means_the_same(text: str) -> None:
    once = formatted(text)
    assert formatted(once) == once
    assert [each.value for each in parse_yaml(once.encode(), "").documents] == [
        each.value for each in parse_yaml(text.encode(), "").documents
    ]


def test_several_documents_keep_their_order() -> None:
    once = formatted(f"# all of ours\n---\n{LINED}---\n{UNTIDY.removeprefix('---').lstrip()}")
    assert once.startswith("# all of ours\n# who they are\n")
    assert once.count("\n---\n") == 1
    assert once.endswith(TIDY.split("---")[-1])


def test_text_over_several_lines_moves_along() -> None:
    folded = "  suspend:\n        reason: >-\n           an audit\n           of theirs\n"
    text = LINED.replace("  enabled: true", f"{folded}  enabled: true")
    once = formatted(text)
    assert "  suspend:\n    reason: >-\n       an audit\n       of theirs\n" in once


@pytest.mark.parametrize(
    "text",
    [
        LINED.replace('{code: "200"}', '&a {code: "200"}'),
        "spec: [",
        "- a\n- b\n",
        "{a: 1}\n",
        f"{LINED}...\n# between\n---\n{LINED}",
    ],
)
def test_what_could_lose_something_is_left_alone(text: str) -> None:
    assert format_manifests(text.encode()) is None


FRAGMENTS = """\
spec:
  a: 1
  b:
    c: {d: e}
  # x
# y
metadata: {name: z}
kind: Merchant # k
    - one
  f: >
     text # not
  'q r': "s"
---
apiVersion: v
  - l
      deep: 1
  g: [1,
   2]
  h: 'multi
     line'
""".splitlines()


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=10), st.sampled_from(["\n", "\r\n"]))
def test_whatever_is_laid_out_means_what_it_meant_and_is_laid_out_once_for_all(lines: list[str], ending: str) -> None:
    content = ending.join(lines).encode()
    before = parse_yaml(content, "")
    after = format_manifests(content)
    if before.diagnostics or after is None:
        return
    assert [each.value for each in parse_yaml(after, "").documents] == [each.value for each in before.documents]
    assert format_manifests(after) == after

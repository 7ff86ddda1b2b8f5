"""Manifests as text: what is written is read back as the same values, and reads well."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.desired import yaml_reader as source
from controller.desired.yaml_writer import NewManifest, yaml_text
from controller.model.name_matching import nfc


def read_back(text: str) -> list[object]:
    found = source.parse_yaml(text.encode(), "written.yaml")
    assert found.diagnostics == ()
    return [node.value for node in found.documents]


def written(spec: dict[str, object], **more: Any) -> str:
    """The lines below `spec:`."""
    return yaml_text([NewManifest("Merchant", "acme", spec, **more)]).partition("spec:\n")[2]


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(nfc)
"""All text is read in one Unicode form."""
ODD_TEXT = st.sampled_from(
    [
        *("", "no", "Null", "~", "12:30", "1e5", "0x1F", "007", "- a", "a: b", "a #b", "'", '"', "a'b\"c"),
        *("[x]", "{x}", "*x", "&x", "!x", "%x", "@x", "`x`", "| x", "> x", "x ", " x", "5 ", "5% "),
        *("\ufeffx", "x\u2028y", "é", "😀", "\x00", "\x85"),
    ]
)
SCALAR = ANY_TEXT | ODD_TEXT | st.booleans() | st.none() | st.integers(-100, 100)
VALUE = st.recursive(
    SCALAR | st.lists(ANY_TEXT | ODD_TEXT, max_size=4),
    lambda below: st.dictionaries(ANY_TEXT | ODD_TEXT, below, min_size=1, max_size=5),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(ANY_TEXT | ODD_TEXT, VALUE, min_size=1, max_size=5), ANY_TEXT | ODD_TEXT, ANY_TEXT)
def test_whatever_is_written_is_read_back_as_it_was(spec: dict[str, Any], name: str, note: str) -> None:
    manifest = NewManifest("Merchant", name, spec, header_comments=(note,), comments={(key,): note for key in spec})
    assert read_back(yaml_text([manifest, manifest])) == [manifest.as_dict, manifest.as_dict]


@given(ANY_TEXT | ODD_TEXT)
def test_a_reader_of_yaml_1_1_takes_text_for_text_too(text: str) -> None:
    said = yaml.safe_load(yaml_text([NewManifest("Merchant", "acme", {"company": {"name": text}})]))
    if said["spec"]["company"]["name"] != text:
        assert written({"company": {"name": text}}).count("-") == 2, "only a date is written plain on purpose"


@pytest.mark.parametrize(
    ("spec", "lines"),
    [
        ({"profile": "xero"}, "  profile: xero\n"),
        ({"connection": {"platform": "xero"}}, "  connection: {platform: xero}\n"),
        ({"schedule": {"startDate": "2026-12-01"}}, "  schedule: {startDate: 2026-12-01}\n"),
        ({"schedule": {"time": "00:00"}}, '  schedule: {time: "00:00"}\n'),
        ({"taxRates": {"20": {"name": "20% (VAT on income)"}}}, '  taxRates:\n    "20": {name: 20% (VAT on income)}\n'),
        ({"a": {"b": True, "c": None, "d": 1, "e": []}}, "  a:\n    b: true\n    c: null\n    d: 1\n    e: []\n"),
        ({"unmanaged": ['mapping.sales.taxRates["5"]']}, "  unmanaged: ['mapping.sales.taxRates[\"5\"]']\n"),
        ({"unmanaged": ["x" * 60, "y" * 60]}, f"  unmanaged:\n    - {'x' * 60}\n    - {'y' * 60}\n"),
    ],
)
def test_it_looks_as_people_write_it(spec: dict[str, Any], lines: str) -> None:
    assert written(spec) == lines


def test_what_a_code_means_stands_beside_it_on_one_line() -> None:
    asides = {("accounts", "sales"): "Sales\nof  2026"}
    assert written({"accounts": {"sales": {"code": "200"}}}, comments=asides) == (
        '  accounts:\n    sales: {code: "200"}  # Sales\\nof  2026\n'
    )

"""A complaint quotes what stands in the file, not what YAML made of it; and what it says to write is what was meant."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from controller.desired.loader import load_fleet
from controller.model.desired import Fleet

WRITTEN = "0205 205 1.10 0x10 0o17 1e3 1_0 +44 -0 00 1.0 .5 true False NULL ~ .inf 1E-2 yes 12:30 2026-12-01"
"""What YAML takes for a number, a boolean or nothing, or only looks like it."""
TEXTS = WRITTEN.split()

PLACES = {
    "a code": "spec: {{connection: {{platform: xero}}, mapping: {{sales: {{accounts: {{sales: {{code: {0}}}}}}}}}}}",
    "an id": "spec: {{connection: {{platform: xero}}, mapping: {{sales: {{customer: {{id: {0}}}}}}}}}",
    "a name": "spec: {{connection: {{platform: xero}}, mapping: {{fees: {{supplier: {{name: {0}}}}}}}}}",
    "a group": "spec: {{connection: {{platform: xero}}, mapping: {{sales: {{grouping: {{invoice: [{0}]}}}}}}}}",
    "books": "spec: {{connection: {{platform: xero}}, company: {{books: {0}}}}}",
}
MANIFEST = "apiVersion: merchantctl/v1\nkind: Merchant\nmetadata: {name: acme}\n"


def loaded(folder: Path, text: str) -> Fleet:
    (folder / "acme.yaml").write_text(text)
    return load_fleet(folder)


def said(fleet: Fleet) -> str:
    (complaint,) = fleet.diagnostics
    return str(complaint)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_text_is_quoted_as_it_stands_there_and_then_means_that(
    text: str, place: str, tmp_path: Path
) -> None:
    fleet = loaded(tmp_path, MANIFEST + PLACES[place].format(text))
    if not fleet.diagnostics:
        quoted = loaded(tmp_path, MANIFEST + PLACES[place].format(json.dumps(text)))
        assert fleet.digest == quoted.digest, "it was text from the beginning"
        return
    advice = re.search(r'quote it: ("[^"]*")\)$', said(fleet))
    assert advice, said(fleet)
    assert advice[1] == json.dumps(text)
    followed = loaded(tmp_path, MANIFEST + PLACES[place].format(advice[1]))
    assert not followed.diagnostics
    assert json.dumps(text) in repr(list(followed.merchants.values())).replace("'", '"')


@pytest.mark.parametrize("text", ["0123", "1.10", "0x10", "1e3", "true", "null"])
@pytest.mark.parametrize(
    "line",
    [
        "metadata: {{name: {0}}}\nspec: {{connection: {{platform: xero}}}}",
        "metadata: {{name: acme, labels: {{tier: {0}}}}}\nspec: {{connection: {{platform: xero}}}}",
        "metadata: {{name: acme, renamedFrom: {0}}}\nspec: {{connection: {{platform: xero}}}}",
    ],
)
def test_so_are_names_and_labels(text: str, line: str, tmp_path: Path) -> None:
    head = "apiVersion: merchantctl/v1\nkind: Merchant\n"
    words = said(loaded(tmp_path, head + line.format(text)))
    assert words.endswith(f'quote it: "{text}")'), words
    assert not loaded(tmp_path, head + line.format(f'"{text}"')).diagnostics


def test_what_would_not_fit_in_quotes_either_is_told_what_fits(tmp_path: Path) -> None:
    line = "spec: {{connection: {{platform: xero}}, schedule: {{frequency: Daily, syncHourUtc: 3, startDate: {0}}}}}"
    assert said(loaded(tmp_path, MANIFEST + line.format("20261201"))).endswith(
        "write the local date as YYYY-MM-DD, such as 2026-12-01)"
    )


def test_a_number_that_is_too_long_is_quoted_too(tmp_path: Path) -> None:
    number = "5" * 30
    line = "spec: {{connection: {{platform: xero}}, mapping: {{sales: {{customer: {{id: {0}}}}}}}}}"
    assert said(loaded(tmp_path, MANIFEST + line.format(number))).endswith(f'(quote it: "{number}")')
    assert not loaded(tmp_path, MANIFEST + line.format(f'"{number}"')).diagnostics

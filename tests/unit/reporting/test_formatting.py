"""Columns of a terminal: one long name widens nobody else's row."""

from __future__ import annotations

from controller.reporting.formatting import align_columns


def test_a_long_name_moves_only_its_own_row() -> None:
    rows = [("MERCHANT", "STATE"), ("acme", "in-sync"), ("x" * 190, "change")]
    assert align_columns(rows, "") == ["MERCHANT  STATE", "acme      in-sync", f"{'x' * 190}  change"]


def test_names_of_an_ordinary_length_stand_in_one_column() -> None:
    rows = [("acme", "in-sync"), ("a-much-longer-name-of-a-shop", "change")]
    assert align_columns(rows, "") == ["acme                          in-sync", "a-much-longer-name-of-a-shop  change"]

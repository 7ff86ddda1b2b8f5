"""Company names as Codat stores them, and how two names differ that a reader takes for one."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model.name_matching import (
    company_name_key,
    find_invisible_flaw,
    is_invisible,
    loses_many_letters,
    name_difference,
    nfc,
    normalize_company_name,
    remove_invisible,
    similarity_key,
)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("Acme Foods (Branch[2])", "Acme Foods Branch2"),
        ("merchant_123", "merchant123"),
        ("Café Zoë", "Caf Zo"),
        ("Cafe\u0301 Zoe\u0308", "Caf Zo"),
        ("A-b 'c' & d@e.f, g? h!", "A-b 'c' & d@e.f, g? h!"),
        (" two  spaces ", " two  spaces "),
        ("___", ""),
    ],
)
def test_a_name_loses_what_the_service_silently_removes(name: str, stored: str) -> None:
    assert normalize_company_name(name) == stored


@pytest.mark.parametrize(
    ("one", "other", "only"),
    [
        ("Acme", "ACME", "case"),
        ("Café", "Cafe", "an accent"),
        ("Acme ", "Acme", "a trailing space"),
        (" Acme", "Acme", "a leading space"),
        ("Acme  Foods", "Acme Foods", "doubled spaces"),
        ("Acme\u00a0Foods", "Acme Foods", "a NO-BREAK SPACE (U+00A0)"),
        ("Ac\u200bme", "Acme", "a ZERO WIDTH SPACE (U+200B)"),
        ("Ａcme", "Acme", "width"),
        ("Café ", "cafe", "case and an accent and a trailing space"),
        ("Cafe\u0301", "Café", None),
        ("Acme", "Acme", None),
        ("Acme", "Acne", None),
    ],
)
def test_two_names_that_a_reader_takes_for_one_differ_only_by_what_is_said(
    one: str, other: str, only: str | None
) -> None:
    assert name_difference(one, other) == only == name_difference(other, one)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Acme Coffee", None),
        ("日本茶 shop", None),
        ("Acme\u00a0Coffee", "its character 5 is a NO-BREAK SPACE (U+00A0)"),
        ("Acme\u200b", "its character 5 is a ZERO WIDTH SPACE (U+200B)"),
        ("\ufeffAcme", "its character 1 is a ZERO WIDTH NO-BREAK SPACE (U+FEFF)"),
        ("Acme\u3000Coffee", "its character 5 is an IDEOGRAPHIC SPACE (U+3000)"),
        ("Acme\tCoffee", "its character 5 is a CONTROL CHARACTER (U+0009)"),
        (" Acme", "it begins with a SPACE (U+0020)"),
        ("Acme ", "it ends with a SPACE (U+0020)"),
        ("Acme  Coffee", "its characters 5 and 6 are both a SPACE (U+0020)"),
    ],
)
def test_what_nobody_sees_in_a_name_is_named(name: str, said: str | None) -> None:
    assert find_invisible_flaw(name) == said


@given(st.text())
def test_a_tidied_name_has_nothing_that_is_not_seen_and_reads_the_same(name: str) -> None:
    clean = remove_invisible(name)
    assert find_invisible_flaw(clean) is None
    assert similarity_key(clean) == similarity_key(name)


@given(st.text())
def test_names_are_found_whichever_unicode_form_they_come_in(name: str) -> None:
    apart = unicodedata.normalize("NFD", name)
    assert nfc(apart) == nfc(name)
    assert company_name_key(apart) == company_name_key(name)
    assert normalize_company_name(apart) == normalize_company_name(name)


@given(st.text(alphabet="aB é\u00a0\u200bＡ", max_size=8), st.text(alphabet="aB é\u00a0\u200bＡ", max_size=8))
def test_names_that_read_the_same_and_are_not_the_same_differ_by_something(one: str, other: str) -> None:
    alike = similarity_key(one) == similarity_key(other) and nfc(one) != nfc(other)
    assert bool(name_difference(one, other)) is alike


def test_what_is_invisible_is_told_from_what_is_small() -> None:
    assert all(map(is_invisible, "\u00a0\u200b\u200d\u2060\ufeff\u202e\u3000\u3164\n"))
    assert not any(map(is_invisible, "a .é日\u0301"))


def test_a_quarter_of_the_letters_is_much() -> None:
    assert not any(map(loses_many_letters, ("Acme", "Acme (UK)", "Café Coffee")))
    assert all(map(loses_many_letters, ("Café Zoë", "日本茶 shop")))

"""Three hundred broken manifests and more: each has a complaint with an address, none a traceback, none hangs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from controller.desired.loader import load_fleet

PROFILE: dict[str, Any] = {
    "apiVersion": "merchantctl/v1",
    "kind": "MappingProfile",
    "metadata": {"name": "base"},
    "spec": {
        "connection": {"platform": "xero", "state": "Linked"},
        "enabled": True,
        "schedule": {"frequency": "Daily", "startDate": "2026-12-01", "time": "00:00", "timeZone": "Europe/London"},
        "mapping": {
            "sales": {
                "sync": True,
                "accounts": {"sales": {"code": "200"}, "refund": {"name": "Sales returns"}, "gratuity": {"id": "x"}},
                "invoiceStatus": "Submitted",
                "customer": {"name": "POS daily takings"},
                "taxRates": {"0": {"name": "Zero rated income"}, "17.5": {"id": "OUTPUT2"}},
                "grouping": {"period": "Daily", "invoice": ["Location"], "invoiceLine": []},
            },
            "payments": {"sync": True, "accounts": {"card": {"code": "610"}, "cash": {"code": "611"}}},
            "fees": {"sync": True, "supplier": {"name": "Card processor"}, "accounts": {"paymentFee": {"code": "404"}}},
        },
        "policy": {"drift": "Correct", "deletion": "Retain", "adopt": True},
    },
}
MERCHANT = PROFILE | {
    "kind": "Merchant",
    "metadata": {"name": "acme-coffee", "labels": {"country": "gb"}},
    "spec": PROFILE["spec"] | {"company": {"name": "acme-coffee", "books": "Acme Coffee Ltd"}},
}
WRONG_VALUES = (3.5, {"zz": 1}, [1, 1], 10**30)
FREE_KEYS = (r"accounts", r"labels")


def mutants(good: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The good manifest with one key misspelt, one value of a wrong type, or one thing missing."""
    for path in paths(good):
        where = ".".join(path)
        for wrong in WRONG_VALUES:
            yield f"{where}={wrong!r}", replaced(good, path, wrong)
        if path[-2:-1] and path[-2] in FREE_KEYS:
            yield f"{where}-as-two-words", renamed(good, path, "two words")
        elif path[-1] != "name" or path[0] == "metadata":
            yield f"{where}-misspelt", renamed(good, path, path[-1] + "x")
    for path in (("apiVersion",), ("kind",), ("metadata",), ("metadata", "name"), ("spec",)):
        yield f"{'.'.join(path)}-missing", renamed(good, path, None)


def paths(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, child in value.items():
        yield (*above, key)
        if isinstance(child, dict):
            yield from paths(child, (*above, key))


def replaced(value: dict[str, Any], path: tuple[str, ...], new: Any) -> dict[str, Any]:
    if len(path) == 1:
        return value | {path[0]: new}
    return value | {path[0]: replaced(value[path[0]], path[1:], new)}


def renamed(value: dict[str, Any], path: tuple[str, ...], new: str | None) -> dict[str, Any]:
    if len(path) > 1:
        return value | {path[0]: renamed(value[path[0]], path[1:], new)}
    rest = {key: child for key, child in value.items() if key != path[0]}
    return rest | ({new: value[path[0]]} if new else {})


@cache
def mutants_as_text() -> list[tuple[str, str]]:
    return [
        (f"{good['kind']}-{name}", json.dumps(mutant, indent=1))
        for good in (PROFILE, MERCHANT)
        for name, mutant in mutants(good)
    ]


HEAD = "apiVersion: merchantctl/v1\nkind: Merchant\nmetadata: {name: acme}\nspec:\n  connection: {platform: xero}\n"


def nasties() -> dict[str, str]:
    """Made anew for each that asks: they are a hundred megabytes, which each process of a test run would hold."""
    return {
        "a-tab-as-indent": HEAD + "  schedule:\n\t\tfrequency: Daily\n",
        "a-duplicate-key": HEAD + "  enabled: true\n  enabled: false\n",
        "a-duplicate-account": HEAD + "  mapping: {sales: {accounts: {sales: {id: a}, Sales: {id: b}}}}\n",
        "equal-tax-rates": HEAD + '  mapping: {sales: {taxRates: {20: {id: a}, "20.0": {id: b}}}}\n',
        "an-alias-bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{k}: &{k} [{','.join([f'*{j}'] * 9)}]\n" for j, k in zip("abcdefgh", "bcdefghi", strict=True)),
        "an-alias-of-itself": HEAD + "  mapping: &m {sales: *m}\n",
        "an-alias-of-nothing": HEAD + "  mapping: *m\n",
        "fifty-megabytes": HEAD + "# " + "x" * 50_000_000,
        "eight-megabytes-of-values": "[" + "a," * 3_900_000 + "a]",
        "eight-megabytes-of-documents": "---\na\n" * 1_300_000,
        "eight-megabytes-of-brackets": "[" * 8_000_000,
        "eight-megabytes-of-braces": "{" * 8_000_000,
        "eight-megabytes-of-dashes": "- " * 4_000_000,
        "eight-megabytes-in-one-key": HEAD + "  " + "k" * 8_000_000 + ": 1\n",
        "eight-megabytes-of-anchors": "".join(f"- &a{n} x\n" for n in range(500_000)),
        "a-hundred-thousand-wrong-keys": HEAD + "".join(f"  k{n}: 1\n" for n in range(100_000)),
        "ten-thousand-wrong-keys": HEAD + "".join(f"  k{n}: 1\n" for n in range(9_000)),
        "nested-deeply-by-indent": "".join(" " * n + "a:\n" for n in range(2_000)),
        "no-as-a-boolean": HEAD + "  enabled: no\n",
        "a-sexagesimal-hour": HEAD + "  schedule: {syncHourUtc: 12:30}\n",
        "a-time-without-zone": HEAD + "  schedule: {time: 12:30}\n",
        "a-time-that-is-not": HEAD + "  schedule: {time: 25:00, timeZone: Europe/London}\n",
        "an-hour-that-is-not": HEAD + "  schedule: {syncHourUtc: 24}\n",
        "an-hour-of-two-ways": HEAD + '  schedule: {syncHourUtc: 2, time: "02:00", timeZone: UTC}\n',
        "a-half-hour-zone": HEAD + '  schedule: {time: "00:00", timeZone: Asia/Kolkata}\n',
        "a-bad-zone": HEAD + '  schedule: {time: "00:00", timeZone: Europe/Lodnon}\n',
        "a-zone-that-climbs": HEAD + '  schedule: {time: "00:00", timeZone: ../../etc/passwd}\n',
        "a-zone-that-is-a-folder": HEAD + '  schedule: {time: "00:00", timeZone: Europe}\n',
        "a-day-that-is-not": HEAD + "  schedule: {startDate: 2026-02-30}\n",
        "the-first-day-of-all": HEAD + "  schedule: {startDate: 0001-01-01}\n",
        "the-last-day-of-all": HEAD + "  schedule: {startDate: 9999-12-31, timeZone: America/New_York}\n",
        "a-day-with-a-time": HEAD + "  schedule: {startDate: 2026-12-01T00:00:00Z}\n",
        "a-week-day": HEAD + "  schedule: {startDate: 2026-W49-1}\n",
        "an-hourly-frequency": HEAD + "  schedule: {frequency: Hourly}\n",
        "a-null-byte": HEAD + "  company: {name: a\x00b}\n",
        "an-escaped-null-byte-as-a-name": HEAD.replace("acme", '"a\\0b"'),
        "a-bell": HEAD + "  company: {name: a\x07b}\n",
        "a-half-surrogate": HEAD + '  company: {name: "\\uD800"}\n',
        "a-python-object": HEAD + "  company: !!python/object/apply:os.system [true]\n",
        "a-text-tag": HEAD + "  enabled: !!str true\n",
        "a-merge-key": HEAD + "  <<: {enabled: true}\n",
        "a-list-as-key": HEAD + "  ? [a, b]\n  : c\n",
        "a-document-of-text": "just text\n",
        "a-document-of-a-list": "- a\n- b\n",
        "an-unclosed-brace": HEAD + "  company: {name: acme\n",
        "an-unclosed-quote": HEAD + '  company: {name: "acme}\n',
        "two-colons": HEAD + "  company: a: b\n",
        "a-yaml-of-the-future": "%YAML 3.0\n---\n" + HEAD,
        "no-kind": HEAD.replace("kind: Merchant\n", ""),
        "another-kind": HEAD.replace("kind: Merchant", "kind: ConfigMap"),
        "a-kind-in-lower-case": HEAD.replace("kind: Merchant", "kind: merchant"),
        "a-list-of-kinds": HEAD.replace("kind: Merchant", "kind: [Merchant]"),
        "another-version": HEAD.replace("merchantctl/v1", "v1"),
        "an-empty-name": HEAD.replace("name: acme", 'name: ""'),
        "a-number-as-name": HEAD.replace("name: acme", "name: 12"),
        "a-name-that-strips-to-nothing": HEAD.replace("name: acme", "name: ___"),
        "a-profile-that-is-not-there": HEAD + "  profile: uk-xreo\n",
        "an-unknown-platform": HEAD.replace("xero", "xreo"),
        "a-commerce-platform": HEAD.replace("xero", "lqai"),
        "no-platform": HEAD.replace("connection: {platform: xero}", "enabled: true"),
        "a-reference-of-two": HEAD + "  mapping: {sales: {accounts: {sales: {id: a, code: b}}}}\n",
        "a-reference-of-none": HEAD + "  mapping: {sales: {accounts: {sales: {}}}}\n",
        "a-code-of-a-customer": HEAD + "  mapping: {sales: {customer: {code: a}}}\n",
        "a-code-of-a-tax-rate": HEAD + "  mapping: {sales: {taxRates: {20: {code: a}}}}\n",
        "a-code-as-a-number": HEAD + "  mapping: {sales: {accounts: {sales: {code: 200}}}}\n",
        "a-null-tax-rate": HEAD + "  mapping: {sales: {taxRates: {20: null}}}\n",
        "a-rate-in-percent": HEAD + "  mapping: {sales: {taxRates: {20%: {id: a}}}}\n",
        "a-null-grouping": HEAD + "  mapping: {sales: {grouping: null}}\n",
        "a-null-switch": HEAD + "  enabled: null\n",
        "an-account-misspelt": HEAD + "  mapping: {sales: {accounts: {gratuty: {id: a}}}}\n",
        "payments-without-sales": HEAD + "  mapping: {sales: {sync: false}, payments: {sync: true}}\n",
        "payments-of-drafts": HEAD + "  mapping: {sales: {invoiceStatus: Draft}, payments: {sync: true}}\n",
        "fees-without-supplier": HEAD + "  mapping: {fees: {sync: true, supplier: null}}\n",
        "sales-without-customer": HEAD + "  mapping: {sales: {sync: true, customer: null}}\n",
        "card-is-payout": HEAD + "  mapping: {payments: {accounts: {card: {id: a}, payout: {id: a}}}}\n",
        "prepaid-is-prepaid-payment": HEAD
        + "  mapping: {sales: {accounts: {prePaid: {id: a}}}, payments: {accounts: {prepaidPayment: {id: a}}}}\n",
        "unmanaged-of-nothing": HEAD + "  unmanaged: [mapping.sales.customer]\n",
        "a-number-without-end": HEAD + f"  schedule: {{syncHourUtc: {'9' * 5_000}}}\n",
        "twins": HEAD + "---\n" + HEAD,
        "twin-companies": HEAD + "---\n" + HEAD.replace("name: acme", "name: acme_"),
    }


BYTES = {
    "utf-16": (HEAD).encode("utf-16"),
    "utf-16-without-mark": (HEAD).encode("utf-16-le"),
    "utf-32": (HEAD).encode("utf-32"),
    "latin-1": (HEAD + "  company: {name: Café}\n").encode("latin-1"),
    "half-a-character": HEAD.encode() + b"  company: {name: \xe2\x82}\n",
    "a-gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "a-picture": bytes(range(256)) * 16,
}
ADDRESS = re.compile(r"broken\.yaml:[1-9][0-9]*:[1-9][0-9]*: \S")


def test_there_are_at_least_three_hundred() -> None:
    assert len(mutants_as_text()) + len(nasties()) + len(BYTES) >= 300


def test_each_mutant_of_a_good_manifest_has_a_complaint_with_an_address(tmp_path: Path) -> None:
    wrong = [(name, problem) for name, text in mutants_as_text() if (problem := what_is_wrong(text.encode(), tmp_path))]
    assert wrong == []


def test_each_nasty_manifest_has_a_complaint_with_an_address(tmp_path: Path) -> None:
    contents = {name: text.encode("utf-8", "surrogatepass") for name, text in nasties().items()}
    assert {name: problem for name, each in contents.items() if (problem := what_is_wrong(each, tmp_path))} == {}


def test_whatever_is_not_utf_8_has_a_complaint_with_an_address(tmp_path: Path) -> None:
    assert {name: problem for name, each in BYTES.items() if (problem := what_is_wrong(each, tmp_path))} == {}


def test_the_manifests_that_the_mutants_come_from_are_good(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(json.dumps(PROFILE) + "\n---\n" + json.dumps(MERCHANT))
    assert load_fleet(tmp_path).diagnostics == ()


def what_is_wrong(content: bytes, root: Path) -> str | None:
    """With the complaints about that manifest; None where all is as it should be."""
    (root / "broken.yaml").write_bytes(content)
    begun = time.process_time()
    try:
        fleet = load_fleet(root)
    except Exception as error:
        return f"raised {error!r}"
    if (took := time.process_time() - begun) >= 5:
        return f"took {took:.1f} s"
    if not fleet.diagnostics or fleet.is_complete:
        return "nobody complains"
    return "; ".join(str(each) for each in fleet.diagnostics if not ADDRESS.search(str(each))) or None

"""Accounting platforms: the names that manifests use, and their four-letter keys (API notes 5.3)."""

from __future__ import annotations

from difflib import get_close_matches

NAMES = {
    "xero": "gbol",
    "quickbooks-online": "qhyg",
    "freeagent": "fbrh",
    "exact-nl": "qudb",
    "exact-uk": "pbbf",
    "myob": "pdvj",
    "sage-accounting": "tgff",
    "sandbox": "mqjo",
}

COMMERCE_KEY = "lqai"
"""The commerce side of every company: Partner Commerce."""

KEYS = {
    *("trji", "rqwd", "qudb", "pbbf", "fbrh", "vxvy", "pdvj", "akxx", "pqsw", "qhyg"),
    *("ndsk", "jcrp", "hbql", "tgff", "knfz", "mqjo", "pbtz", "rvam", "gbol", "rwuv"),
}


def platform_key(word: str) -> str | None:
    """The four-letter key of a name or key, None when it is neither."""
    return NAMES.get(word) or (word if word in KEYS else None)


def platform_name(key: str) -> str | None:
    """The name of a platform, else its key; None for one that no manifest can name."""
    return next((name for name, its_key in NAMES.items() if its_key == key), key if key in KEYS else None)


def nearest_platforms(word: str) -> str:
    """The names and keys most similar to a word, the nearest first; all names when none is similar."""
    return ", ".join(get_close_matches(word.lower(), [*NAMES, *sorted(KEYS)], n=3, cutoff=0.5) or NAMES)

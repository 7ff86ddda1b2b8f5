"""The platforms there are: key, name, kind and the constant ids of each (API notes 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

COMMERCE_KEY = "lqai"
"""Partner Commerce: stands for the client's own platform (API notes, vocabulary)."""

_ID_NAMESPACE = UUID("5b1e4c4e-8a0e-4f7e-9d7b-0f3b6f6c2a10")

# key: (sourceId, integrationId) where samples show them; the others are derived, and constant too.
_SAMPLE_IDS = {
    "gbol": ("8a156a5a-39cb-4f9d-856e-76ef9b9a9607", "0f20c943-12d0-4800-9f6c-d218f62d494c"),
    "lqai": ("fac84d06-5a70-4e9e-bf46-7607e647b036", "b27611c5-c104-4360-b979-e8f6b16db164"),
}

_ACCOUNTING_PLATFORMS = {
    "trji": "Dynamics 365 Business Central",
    "rqwd": "Dynamics 365 Finance & Operations",
    "qudb": "Exact (Netherlands)",
    "pbbf": "Exact (UK)",
    "fbrh": "FreeAgent",
    "vxvy": "FreshBooks",
    "pdvj": "MYOB Business",
    "akxx": "Oracle NetSuite",
    "pqsw": "QuickBooks Desktop",
    "qhyg": "QuickBooks Online",
    "ndsk": "QuickBooks Online Sandbox",
    "jcrp": "Sage 200 Standard",
    "hbql": "Sage 50 (UK)",
    "tgff": "Sage Accounting",
    "knfz": "Sage Intacct",
    "mqjo": "Sandbox",
    "pbtz": "Wave",
    "rvam": "Workday",
    "gbol": "Xero",
    "rwuv": "Zoho Books",
}
_COMMERCE_PLATFORMS = {
    "qkdj": "Amazon Seller Central",
    "vqzp": "BigCommerce",
    "fqly": "Clover",
    "aiwb": "Commerce Sandbox",
    "ldgh": "Lightspeed K",
    "lrhd": "Lightspeed K Sandbox",
    "ltes": "Lightspeed K Trial",
    "lqai": "PlatformCommerce",
    "fztf": "Shopify",
    "zsth": "Square",
    "xcwv": "Square Sandbox",
    "exgd": "Stripe",
    "yzth": "Stripe Test",
    "ltpp": "WooCommerce",
    "ugxp": "Zettle",
}
_ON_PREMISES_PLATFORMS = {"pqsw", "hbql"}
_BETA_PLATFORMS = {"tgff"}
_SANDBOX_PLATFORMS = {"aiwb", "lrhd", "ltes", "xcwv", "yzth", "mqjo", "ndsk"}

_READ_FEATURE = {"featureType": "Get", "featureState": "Release"}
_WRITE_FEATURE = {"featureType": "Post", "featureState": "Release"}
_FEATURES_BY_SOURCE_TYPE: Mapping[str, Mapping[str, list[dict[str, str]]]] = {
    "Accounting": {
        "chartOfAccounts": [_READ_FEATURE, _WRITE_FEATURE],
        "taxRates": [_READ_FEATURE],
        "bankAccounts": [_READ_FEATURE],
        "suppliers": [_READ_FEATURE],
        "customers": [_READ_FEATURE],
        "company": [_READ_FEATURE],
    },
    "Commerce": {
        "commerce-orders": [_READ_FEATURE],
        "commerce-payments": [_READ_FEATURE],
        "commerce-transactions": [_READ_FEATURE],
        "commerce-productCategories": [_READ_FEATURE],
    },
}


@dataclass(frozen=True, slots=True)
class Platform:
    """One integration as this client has it; `enabled` = switched on by the client."""

    key: str
    name: str
    source_type: str
    source_id: str
    integration_id: str
    enabled: bool

    @property
    def logo_url(self) -> str:
        return f"https://static.codat.io/public/platforms/{self.key}.png"

    @property
    def supported_environments(self) -> str:
        return "SandboxOnly" if self.key in _SANDBOX_PLATFORMS else "LiveAndSandbox"

    @property
    def is_on_premises(self) -> bool:
        return self.key in _ON_PREMISES_PLATFORMS

    @property
    def is_beta(self) -> bool:
        return self.key in _BETA_PLATFORMS

    def features(self) -> list[dict[str, Any]]:
        """`datatypeFeatures` of API notes 3.4, for the data types that Sync for Commerce touches."""
        return [
            {"datatype": data_type, "supportedFeatures": features}
            for data_type, features in _FEATURES_BY_SOURCE_TYPE[self.source_type].items()
        ]


def _platform(key: str, name: str, source_type: str) -> Platform:
    derived = (str(uuid5(_ID_NAMESPACE, f"source {key}")), str(uuid5(_ID_NAMESPACE, f"integration {key}")))
    source_id, integration_id = _SAMPLE_IDS.get(key, derived)
    enabled = source_type == "Accounting" or key == COMMERCE_KEY
    return Platform(key, name, source_type, source_id, integration_id, enabled)


PLATFORMS: Mapping[str, Platform] = {
    **{key: _platform(key, name, "Accounting") for key, name in _ACCOUNTING_PLATFORMS.items()},
    **{key: _platform(key, name, "Commerce") for key, name in _COMMERCE_PLATFORMS.items()},
}
"""Every accounting platform and the client's own commerce platform are enabled, so that `enabled` filters."""

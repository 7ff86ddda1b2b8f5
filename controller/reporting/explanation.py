"""Which value each field of a merchant has, and which file and line it comes from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from controller.model.account_settings import ACCOUNT_NAME
from controller.model.desired import DesiredMerchant, Origin
from controller.model.field_values import LOCAL_TIME_PATH, LocalTime
from controller.model.platforms import platform_name
from controller.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExplainedField:
    """A field that a layer declares, or that has a default.

    value    as declared: references are not resolved; None where it is unset, or where only its parts have values
    origins  the layers that declare it, the winning one first; none where it has its default
    """

    path: str
    value: Any
    origins: tuple[Origin, ...]


def explain_fields(desired: DesiredMerchant) -> list[ExplainedField]:
    """Every declared field and every one with a default, sorted by path. A setting of the account has none."""
    with_default = () if desired.name == ACCOUNT_NAME else _FIELDS_WITH_DEFAULT
    return [
        ExplainedField(path, _value(desired, path), tuple(reversed(desired.origins.get(path, ()))))
        for path in sorted({*desired.origins, *with_default})
    ]


def _value(desired: DesiredMerchant, path: str) -> Any:
    if path in desired.fields:
        declared = desired.fields[path]
        return declared.time if isinstance(declared, LocalTime) else declared
    if path in _MERCHANT_FIELDS:
        return _MERCHANT_FIELDS[path](desired)
    local_time = desired.fields.get(LOCAL_TIME_PATH)
    return local_time.zone if isinstance(local_time, LocalTime) else None


_MERCHANT_FIELDS: Mapping[str, Callable[[DesiredMerchant], Any]] = {
    "company.name": lambda wanted: wanted.company_name,
    "company.books": lambda wanted: wanted.books,
    "connection.platform": lambda wanted: wanted.platform and (platform_name(wanted.platform) or wanted.platform),
    "connection.state": lambda wanted: wanted.link_state.value,
    "policy.drift": lambda wanted: wanted.policy.drift.value,
    "policy.deletion": lambda wanted: wanted.policy.deletion.value,
    "policy.adopt": lambda wanted: wanted.policy.adopt,
    "policy.replaceConnection.to": lambda wanted: (
        wanted.policy.replace_connection
        and (platform_name(wanted.policy.replace_connection) or wanted.policy.replace_connection)
    ),
    "suspend.reason": lambda wanted: wanted.hold and wanted.hold.reason,
    "suspend.until": lambda wanted: wanted.hold and wanted.hold.until,
}
"""Fields outside the configuration, and how to read them from a merchant."""

_FIELDS_WITH_DEFAULT = ("connection.state", "policy.drift", "policy.deletion", "policy.adopt")
"""Fields that have a default where no layer declares them."""

"""The manifests of a small fleet, as somebody edits them: kept flat, by field path, beside the files they are in."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from controller.desired.loader import load_fleet
from tests.crash import expected as wishes
from tests.end_to_end.place import UK_PROFILE, Place

MERCHANT_NAMES = ("ann", "bob", "cat")


class FleetManifests:
    """Every method is one edit. An edit that makes the manifests unsound is taken back at once.

    profile    the profile's fields
    own        by merchant, its own fields
    unmanaged  by merchant, the profile's fields that it leaves alone
    edits      how many there were
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.profile = wishes.flatten_spec(UK_PROFILE)
        self.own: dict[str, dict[str, Any]] = {}
        self.unmanaged: dict[str, set[str]] = {name: set() for name in MERCHANT_NAMES}
        self.edits = 0
        self.write()

    def add(self, name: str) -> None:
        self.own.setdefault(name, {})
        self.write()

    def remove(self, name: str) -> None:
        self.own.pop(name, None)
        self.unmanaged[name].clear()
        self.write()

    def declare(self, name: str, path: str, wish: Any) -> None:
        """`name` may be the profile's."""
        self._edit(name, lambda fields: fields.update({path: wish}))

    def undeclare(self, name: str, path: str) -> None:
        self._edit(name, lambda fields: fields.pop(path, None))

    def toggle_unmanaged(self, name: str, path: str) -> None:
        """Or no longer."""
        self.unmanaged[name] ^= {path}
        if not self._sound():
            self.unmanaged[name] ^= {path}
            self.write()

    def repair(self) -> None:
        """Every merchant on the whole profile, with wishes that every merchant's books answer; live is corrected."""
        for fields in (self.profile, *self.own.values()):
            fields.pop("policy.drift", None)
            if fields.get("mapping.sales.accounts.gratuity") == NO_SUCH_ACCOUNT:
                fields["mapping.sales.accounts.gratuity"] = {"name": "Tips payable"}
        for paths in self.unmanaged.values():
            paths.clear()
        self.write()

    def copy_from(self, other: FleetManifests) -> None:
        """The very same manifests."""
        self.profile, self.own, self.unmanaged = copy.deepcopy((other.profile, other.own, other.unmanaged))
        self.write()

    def effective_value(self, name: str, path: str, usual: Any = None) -> Any:
        return self.own[name].get(path, self.profile.get(path, usual))

    def company_name(self, name: str) -> str:
        return str(self.own.get(name, {}).get("company.name", name))

    def wants_link(self, name: str) -> bool:
        return bool(self.effective_value(name, "connection.state", "Linked") == "Linked")

    def is_report_only(self, name: str) -> bool:
        return bool(self.effective_value(name, "policy.drift", "Correct") == "Report")

    def managed_fields(self, name: str) -> dict[str, Any]:
        return wishes.managed_fields(self.profile, self.own[name], self.unmanaged[name])

    def write(self) -> None:
        self.edits += 1
        for path in self._place.manifests.iterdir():
            path.unlink()
        self._place._write("MappingProfile", "uk", wishes.to_spec(self.profile))
        for name, own in self.own.items():
            unmanaged = {"unmanaged": sorted(self.unmanaged[name])} if self.unmanaged[name] else {}
            self._place._write("Merchant", name, {"profile": "uk", **wishes.to_spec(own), **unmanaged})

    def _edit(self, name: str, edit: Callable[[dict[str, Any]], object]) -> None:
        fields = self.profile if name == "uk" else self.own.get(name)
        if fields is None:
            return
        before = dict(fields)
        edit(fields)
        if not self._sound():
            fields.clear()
            fields.update(before)
            self.write()

    def _sound(self) -> bool:
        self.write()
        return not load_fleet(self._place.manifests, None).diagnostics


NO_SUCH_ACCOUNT = {"name": "No such account"}
"""What no merchant's books have."""

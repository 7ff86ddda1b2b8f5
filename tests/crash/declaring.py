"""The manifests of a small fleet, as somebody edits them: kept flat, by field path, beside the files they are in."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from controller.desired.fleet import load
from tests.crash import wishes
from tests.end_to_end.place import PROFILE, Place

NAMES = ("ann", "bob", "cat")


class Declaring:
    """Every method is one edit. An edit that makes the manifests unsound is taken back at once.

    profile    the profile's fields
    own        by merchant, its own fields
    unmanaged  by merchant, the profile's fields that it leaves alone
    edits      how many there were
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.profile = wishes.flat(PROFILE)
        self.own: dict[str, dict[str, Any]] = {}
        self.unmanaged: dict[str, set[str]] = {name: set() for name in NAMES}
        self.edits = 0
        self.write()

    def appear(self, name: str) -> None:
        self.own.setdefault(name, {})
        self.write()

    def disappear(self, name: str) -> None:
        self.own.pop(name, None)
        self.unmanaged[name].clear()
        self.write()

    def declare(self, name: str, path: str, wish: Any) -> None:
        """`name` may be the profile's."""
        self._edit(name, lambda fields: fields.update({path: wish}))

    def undeclare(self, name: str, path: str) -> None:
        self._edit(name, lambda fields: fields.pop(path, None))

    def leave_alone(self, name: str, path: str) -> None:
        """Or no longer."""
        self.unmanaged[name] ^= {path}
        if not self._sound():
            self.unmanaged[name] ^= {path}
            self.write()

    def mend(self) -> None:
        """Every merchant on the whole profile, with wishes that every merchant's books answer; live is corrected."""
        for fields in (self.profile, *self.own.values()):
            fields.pop("policy.drift", None)
            if fields.get("mapping.sales.accounts.gratuity") == NOWHERE:
                fields["mapping.sales.accounts.gratuity"] = {"name": "Tips payable"}
        for paths in self.unmanaged.values():
            paths.clear()
        self.write()

    def take_over(self, other: Declaring) -> None:
        """The very same manifests."""
        self.profile, self.own, self.unmanaged = copy.deepcopy((other.profile, other.own, other.unmanaged))
        self.write()

    def wished(self, name: str, path: str, usual: Any = None) -> Any:
        return self.own[name].get(path, self.profile.get(path, usual))

    def called(self, name: str) -> str:
        return str(self.own.get(name, {}).get("company.name", name))

    def linked(self, name: str) -> bool:
        return bool(self.wished(name, "connection.state", "Linked") == "Linked")

    def reports(self, name: str) -> bool:
        return bool(self.wished(name, "policy.drift", "Correct") == "Report")

    def fields(self, name: str) -> dict[str, Any]:
        return wishes.declared(self.profile, self.own[name], self.unmanaged[name])

    def write(self) -> None:
        self.edits += 1
        for path in self._place.manifests.iterdir():
            path.unlink()
        self._place._write("MappingProfile", "uk", wishes.nested(self.profile))
        for name, own in self.own.items():
            unmanaged = {"unmanaged": sorted(self.unmanaged[name])} if self.unmanaged[name] else {}
            self._place._write("Merchant", name, {"profile": "uk", **wishes.nested(own), **unmanaged})

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
        return not load(self._place.manifests, None).complaints


NOWHERE = {"name": "No such account"}
"""What no merchant's books have."""

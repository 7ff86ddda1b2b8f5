"""Links from a page to where a thing really is: the merchant in the portal, a value in the repository. Pure."""

from __future__ import annotations

from urllib.parse import quote

from controller.model.desired import Origin
from controller.quick_dataclasses import dataclass

_REVISION_PLACE = "{revision}"


@dataclass(frozen=True, slots=True)
class OutsideLinks:
    """Addresses with places to be filled; empty = there are no such links.

    portal    of a merchant in the portal: `{company}` is its company id
    manifest  of a line of a manifest: `{file}`, `{line}`, and `{revision}`, the commit that is in force
    """

    portal: str = ""
    manifest: str = ""

    def to_portal(self, company_id: str | None) -> str:
        """Empty where there is no company yet."""
        return self.portal.replace("{company}", quote(company_id, safe="")) if company_id else ""

    def to_line(self, origin: Origin, commit: str | None) -> str:
        """Empty where the address needs a commit and none is known, or the file is outside of the repository."""
        if origin.file.startswith(("/", "..")) or (commit is None and _REVISION_PLACE in self.manifest):
            return ""
        # A file may be called `{line}`: each place is filled once, from a text that holds nothing from outside yet.
        before, place, after = self.manifest.partition("{file}")
        ends = [part.replace("{line}", str(origin.line)) for part in (before, after)]
        ends = [part.replace(_REVISION_PLACE, quote(commit or "", safe="")) for part in ends]
        return f"{ends[0]}{quote(origin.file) if place else ''}{ends[1]}"

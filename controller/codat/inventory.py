"""All companies from pages that may shift, repeat or fall short while they are read (REFERENCE 1.6)."""

from __future__ import annotations

from controller.codat import convert, wire
from controller.model.observed import Company, Listing

FRUITLESS_PAGES = 2
"""Pages in a row that bring nothing new, after which the service is repeating itself."""


class Inventory:
    """Pages come in, one listing without repetitions comes out, which knows whether it is complete.

    Finished with as many distinct ids as the service counts, or with an empty page; never with a short one, since
    the service may serve smaller pages than were asked for.
    """

    def __init__(self) -> None:
        self._companies: dict[str, Company] = {}
        self._total: int | None = None
        self._doubts: list[str] = []
        self._fruitless = 0
        self.finished = False

    def add(self, page: wire.CompanyPage) -> None:
        before = len(self._companies)
        self._companies |= {company.id: convert.company_from(company) for company in page.results}
        if self._total not in (None, page.total_results):
            self.doubt(f"the number of companies moved from {self._total} to {page.total_results} while they were read")
        self._total = page.total_results
        self._fruitless = self._fruitless + 1 if len(self._companies) == before else 0
        everything = len(self._companies) >= page.total_results
        self.finished = everything or not page.results or self._fruitless >= FRUITLESS_PAGES

    def doubt(self, why: str) -> None:
        """Something was not seen, or may not have been."""
        if why not in self._doubts:
            self._doubts.append(why)

    def listing(self) -> Listing:
        if self.finished and len(self._companies) < (self._total or 0):
            self.doubt(f"{len(self._companies)} of {self._total} companies came")
        return Listing(tuple(self._companies.values()), not self._doubts, "; ".join(self._doubts))

"""Who bears a name that readers take for another one: said before a company is created beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property

from controller.model.desired import DesiredMerchant
from controller.model.name_matching import company_name_key, name_difference, similarity_key
from controller.model.observed import Company, SimilarName


class SimilarNames:
    """By the names that readers see: listed companies, and manifests whose company is still to come.

    Put together when it is first asked for: most runs create nothing.
    """

    def __init__(
        self, wanted: Mapping[str, DesiredMerchant], companies: Mapping[str, Company], claimed: Mapping[str, str]
    ) -> None:
        self._wanted, self._companies, self._claimed = wanted, companies, claimed

    def similar_to(self, merchant: str, name: str) -> tuple[SimilarName, ...]:
        """What is called almost like this merchant's company, and is not found under its name."""
        return tuple(
            each
            for each in self._by_similarity_key.get(similarity_key(name), ())
            if each.merchant != merchant
            and company_name_key(each.name) != company_name_key(name)
            and name_difference(each.name, name)
        )

    @cached_property
    def _by_similarity_key(self) -> Mapping[str, tuple[SimilarName, ...]]:
        found: dict[str, tuple[SimilarName, ...]] = defaultdict(tuple)
        for each in self._all_names():
            found[similarity_key(each.name)] += (each,)
        return dict(found)

    def _all_names(self) -> Iterator[SimilarName]:
        for company in self._companies.values():
            yield SimilarName(company.name, company.id, self._claimed.get(company.id))
        bound = set(self._claimed.values())
        for name, wanted in self._wanted.items():
            if name not in bound:
                yield SimilarName(wanted.company_name, merchant=name)

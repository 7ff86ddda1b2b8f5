"""`options`: what one merchant's books offer."""

from __future__ import annotations

from difflib import get_close_matches

from controller.codat.from_wire import read_configuration
from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.errors import MerchantctlError, UsageError
from controller.model.offered_options import OfferedOptions
from controller.operations.bootstrap import open_reader
from controller.operations.one_merchant import open_merchant
from controller.planning.offered_options import list_offered_options
from controller.reconcile.observe import has_both_links
from controller.settings import Settings


async def load_offered_options(
    settings: Settings,
    name: str,
    field: str | None,
    search: str,
    environment: Environment = REAL_ENVIRONMENT,
) -> OfferedOptions:
    """What the books of a merchant offer, as Codat last pulled them.

    MerchantctlError where there is nothing to choose from yet, UsageError for a field that the document does not have.
    """
    async with open_merchant(settings, name, open_reader, environment) as (api, company, snapshot):
        if not has_both_links(company):
            raise MerchantctlError(f"{name} offers nothing: not both connections are linked; merchantctl status {name}")
        now = snapshot.run.service_now()
        live = read_configuration(await api.configuration(company.id), now)
        pulled = [each.last_pulled_at for each in company.connections if each.last_pulled_at]
        offered = list_offered_options(
            snapshot.desired[name], live, now, field=field, search=search, pulled_at=max(pulled, default=None)
        )
    if not offered.fields:
        every_field = list_offered_options(snapshot.desired[name], live, now).fields
        similar = get_close_matches(field or "", [each.path for each in every_field], n=1, cutoff=0.8)
        hint = f". Did you mean {similar[0]!r}?" if similar else f"; merchantctl options {name} lists the fields"
        raise UsageError(f"{name} has no field {field!r} that offers a choice{hint}")
    return offered

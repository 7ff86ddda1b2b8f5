"""`link`: the address to send to a merchant."""

from __future__ import annotations

from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.account_settings import REDIRECT_URL_PATH
from controller.model.errors import MerchantctlError
from controller.operations.bootstrap import open_reader
from controller.operations.one_merchant import open_merchant
from controller.planning.connection import choose_connection
from controller.settings import Settings


async def find_link_url(
    settings: Settings,
    name: str,
    *,
    sync_flow: bool,
    redirect_url: str | None,
    environment: Environment = REAL_ENVIRONMENT,
) -> str:
    """The connection's link, or the Sync Flow's with its 30-second password. MerchantctlError where there is none."""
    async with open_merchant(settings, name, open_reader, environment) as (api, company, snapshot):
        platform = snapshot.desired[name].platform
        if sync_flow or redirect_url:
            if platform is None:
                raise MerchantctlError(
                    f"no layer of {name} declares connection.platform, which the Sync Flow is for; declare it"
                )
            declared = snapshot.run.fleet.account_settings.values.get(REDIRECT_URL_PATH)
            return await api.sync_flow_url(company.id, platform, redirect_url or (str(declared) if declared else None))
        candidates = [
            connection
            for connection in company.connections
            if connection.source_type == "Accounting" and platform in (None, connection.platform)
        ]
        connection = choose_connection(candidates, snapshot.recorded_state(name).connection_id)
        if connection is None or not connection.link_url:
            raise MerchantctlError(f"{name} has no accounting connection with a link; see merchantctl status {name}")
        return connection.link_url

"""`explain --live`: what one merchant's document holds that its manifest cannot declare."""

from __future__ import annotations

from controller.codat.from_wire import read_configuration
from controller.codat.undeclarable import NO_KEY_REASON, find_undeclarable_parts
from controller.desired.generate import MerchantDraft, drop_invalid_fields, to_manifest_values
from controller.environment import REAL_ENVIRONMENT, Environment
from controller.model.errors import DataNotReady
from controller.model.field_values import resolve_live_path, value_to_json
from controller.operations.bootstrap import open_reader
from controller.operations.one_merchant import open_merchant
from controller.planning.from_live import declare_from_live
from controller.quick_dataclasses import dataclass
from controller.settings import Settings


@dataclass(frozen=True, slots=True)
class UndeclarableValue:
    """A live value that stays as it is, whatever the manifest says.

    path   its field path; where no manifest has a key for it, its JSON path in the document
    value  as JSON
    """

    path: str
    value: object
    reason: str


async def load_undeclarable(
    settings: Settings, name: str, environment: Environment = REAL_ENVIRONMENT
) -> tuple[UndeclarableValue, ...]:
    """What is live now, in the order of the paths. Empty where Codat has no document yet.

    A field that the manifest declares is not among them: where live differs, that is drift.
    """
    async with open_merchant(settings, name, open_reader, environment) as (api, company, snapshot):
        now = snapshot.run.service_now()
        try:
            live = read_configuration(await api.configuration(company.id), now)
        except DataNotReady:
            return ()
        desired = snapshot.desired[name]
    without_key = [
        UndeclarableValue(path, value, NO_KEY_REASON)
        for values in find_undeclarable_parts(live.document).values()
        for path, value in values.items()
    ]
    adopted = declare_from_live(live, now)
    said = to_manifest_values(adopted.fields, adopted.zone)
    reasons = {**adopted.undeclared, **drop_invalid_fields(MerchantDraft(name, name, said))[1]}
    declared = {resolve_live_path(live.values, path) for path in desired.fields}
    with_key = [
        UndeclarableValue(path, value_to_json(live.values[path]), reason)
        for path, reason in reasons.items()
        if path not in declared and live.values.get(path) is not None
    ]
    return tuple(sorted([*with_key, *without_key], key=lambda each: each.path))

"""HTTP of the configuration: endpoints 12 and 13 (API notes 3.3)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from controller.emulator.http.handler_helpers import encode_json, json_object, world_of
from controller.emulator.service import companies, configuration, configuration_document
from controller.emulator.service.company_records import CompanyRecord
from controller.emulator.service.world import World


async def get(request: Request) -> Response:
    """12. What is chosen and every option there is."""
    world = world_of(request)
    return _cached_document_response(world, companies.find(world, request.path_params["companyId"]))


async def save(request: Request) -> Response:
    """13. The whole document back; an empty body is an error, never «clear everything»."""
    world = world_of(request)
    company = companies.find(world, request.path_params["companyId"])
    return _cached_document_response(world, configuration.save(world, company, await json_object(request)))


def _cached_document_response(world: World, company: CompanyRecord) -> Response:
    """The document follows from the company's row alone, so its bytes are kept as long as the row."""
    kept = world.encoded_documents.get(company.id)
    if kept is None or kept[0] is not company:
        kept = world.encoded_documents[company.id] = (company, encode_json(configuration_document.to_json(company)))
    return Response(kept[1], media_type="application/json")


routes = [
    Route("/config/companies/{companyId}/sync/commerce", get, methods=["GET"]),
    Route("/config/companies/{companyId}/sync/commerce", save, methods=["POST"]),
]

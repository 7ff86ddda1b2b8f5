"""Errors as the API answers them (API notes 2.5, 2.6): raised anywhere, rendered in `http.responses`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

NOT_VALID = "Error processing request - not valid."
NOT_REQUESTED = "The data set has not been requested."
OUTDATED_KEY = "You are using an outdated API key or a key not associated with that resource."
SERVER_FAULT = "There is a problem with our server. Please try again later."


@dataclass(frozen=True, slots=True)
class ValidationItem:
    """One item of `validation.errors[]`: the field or record, the message, and the validator that reports it."""

    item: str
    message: str
    validator: str


class ApiError(Exception):
    """An error answer. `service` is the internal service that the body names as the failing one."""

    def __init__(
        self,
        status: int,
        error: str,
        service: str = "PublicApi",
        *,
        validation: Sequence[ValidationItem] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.service = service
        self.validation = tuple(validation)
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The error body of API notes 2.5, with a correlation id of its own."""
        body: dict[str, Any] = {
            "statusCode": self.status,
            "service": self.service,
            "error": self.error,
            "correlationId": uuid4().hex,
            "canBeRetried": "Unknown",
            "detailedErrorCode": 0,
        }
        if self.validation:
            errors = [
                {"itemId": item.item, "message": item.message, "validatorName": item.validator}
                for item in self.validation
            ]
            body["validation"] = {"errors": errors, "warnings": []}
        return body


def not_valid() -> ApiError:
    """400 for a body or parameter that cannot be read."""
    return ApiError(400, NOT_VALID)


def no_company(company_id: str) -> ApiError:
    """404 for a company that never was or is deleted."""
    return ApiError(404, f"No company was found with ID {company_id}", "ClientsApi")


def no_connection(connection_id: str) -> ApiError:
    """404 for a connection that never was or is deleted."""
    return ApiError(404, f"Data connection {connection_id} not found")

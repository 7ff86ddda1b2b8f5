"""What a merchant's browser sees."""

from __future__ import annotations

from starlette.routing import Route

routes: list[Route] = []

"""What stands between the network and the service: counts, faults, limits, latency; all gone at a reset."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from controller.emulator.faults import Faults
from controller.emulator.limits import Limits
from controller.emulator.routing import Router
from controller.emulator.traffic import Traffic


@dataclass(slots=True)
class Front:
    """The state of the network side; `router` tells whether a fault could ever match."""

    router: Router
    traffic: Traffic = field(default_factory=Traffic)
    faults: Faults = field(default_factory=Faults)
    limits: Limits = field(default_factory=Limits)
    latency_ms: int = 0

    def reset(self) -> None:
        """As after the start."""
        self.traffic, self.faults, self.limits = Traffic(), Faults(), Limits()
        self.latency_ms = 0


def front_of(request: Request) -> Front:
    """The front that this request came through."""
    front: Front = request.app.state.front
    return front

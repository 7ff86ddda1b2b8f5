"""The gateway's state: request log, faults, limits, latency and injected calls; all cleared by a reset."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from controller.emulator.controls.call_injection import CallInjections
from controller.emulator.controls.faults import InjectedFaults
from controller.emulator.http.rate_limits import RateLimits
from controller.emulator.http.request_log import RequestLog
from controller.emulator.http.routing import Router


@dataclass(slots=True)
class GatewayState:
    """The state of the network side; `router` tells whether a fault could ever match."""

    router: Router
    request_log: RequestLog = field(default_factory=RequestLog)
    faults: InjectedFaults = field(default_factory=InjectedFaults)
    limits: RateLimits = field(default_factory=RateLimits)
    injected_calls: CallInjections = field(default_factory=CallInjections)
    latency_ms: int = 0

    def reset(self) -> None:
        """Clear everything, as after the start."""
        self.request_log, self.faults, self.limits = RequestLog(), InjectedFaults(), RateLimits()
        self.injected_calls, self.latency_ms = CallInjections(), 0


def gateway_of(request: Request) -> GatewayState:
    """The gateway state of the application that serves this request."""
    gateway: GatewayState = request.app.state.gateway
    return gateway

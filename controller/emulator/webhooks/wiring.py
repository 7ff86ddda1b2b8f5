"""Both generations of webhooks, joined to a world: their endpoints, and who listens to events."""

from __future__ import annotations

from functools import partial

from controller.emulator.http import api_profile as profile
from controller.emulator.service.world import World
from controller.emulator.webhooks import consumers, controls, rules
from controller.emulator.webhooks.delivery_worker import DeliveryWorker

routes = [*profile.routes, *rules.routes, *consumers.routes, *controls.routes]


def subscribe(world: World) -> None:
    """Fire rules, feed consumers and carry deliveries from now on."""
    world.subscribers.append(partial(rules.fire_matching_rules, world))
    world.subscribers.append(partial(consumers.queue_for_consumers, world))
    world.subscribers.append(DeliveryWorker(world).start_queued_delivery)


def resume(world: World) -> None:
    """Take up pending deliveries after a data file was read."""
    DeliveryWorker(world).resume()

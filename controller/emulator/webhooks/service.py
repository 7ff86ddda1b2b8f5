"""Both generations of webhooks, joined to a world: their endpoints, and who listens to events."""

from __future__ import annotations

from functools import partial

from controller.emulator import profile
from controller.emulator.webhooks import consumers, controls, rules
from controller.emulator.webhooks.postman import Postman
from controller.emulator.world import World

routes = [*profile.routes, *rules.routes, *consumers.routes, *controls.routes]


def attach(world: World) -> None:
    """Fire rules, feed consumers and carry deliveries from now on."""
    world.subscribers.append(partial(rules.hear, world))
    world.subscribers.append(partial(consumers.hear, world))
    world.subscribers.append(Postman(world).hear)


def resume(world: World) -> None:
    """Take up pending deliveries after a data file was read."""
    Postman(world).resume()

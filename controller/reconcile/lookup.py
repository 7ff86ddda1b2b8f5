"""Every declared reference, looked up in its merchant's own books: what `validate --online` asks. Plans nothing."""

from __future__ import annotations

from controller.codat.convert import read_configuration
from controller.model.errors import RemoteError, Unauthorized
from controller.model.lookup import FleetLookup, LookedUp, Lookup, Misfit, TooEarly
from controller.model.merchant import LinkState, Wanted
from controller.model.observed import Absent, Company, Configuration, Unread
from controller.planning.resolve import Problem, resolve
from controller.reconcile.observe import Glimpse, glance
from controller.reconcile.survey import Run, survey
from controller.reconcile.sweep import each
from controller.reconcile.world import World

NO_COMPANY = "not created yet"
NO_CONSENT = "waits for the merchant's consent"
NO_DATA = "its books are not pulled yet"
NOT_WANTED = "wanted unlinked"


async def look_up_all(run: Run) -> FleetLookup:
    """One listing, and at most one configuration per merchant. What cannot be read is Unread; a refused key raises."""
    world = await survey(run)
    names = sorted(world.wanted)

    async def one(merchant: str) -> Lookup:
        try:
            return await look_up(merchant, world)
        except Unauthorized:
            raise
        except RemoteError as error:
            return Unread(str(error))

    answers = await each(names, one, run.width, run.tell)
    return FleetLookup(dict(zip(names, answers, strict=True)))


async def look_up(merchant: str, world: World) -> Lookup:
    wanted = world.wanted[merchant]
    if wanted.link_state is LinkState.UNLINKED:
        return TooEarly(NOT_WANTED)
    live = _configuration(await glance(merchant, world), world)
    if not isinstance(live, Configuration):
        return live
    problems = resolve(wanted.fields, live, world.now()).problems
    return LookedUp(tuple(_misfit(wanted, problem) for problem in problems))


def _configuration(glimpse: Glimpse, world: World) -> Configuration | TooEarly | Unread:
    """The merchant's own options; without any there is nothing to look in."""
    match glimpse:
        case Glimpse(company=Absent()):
            return TooEarly(NO_COMPANY)
        case Glimpse(company=Unread() as unread) | Glimpse(document=Unread(failed=True) as unread):
            return unread
        case Glimpse(document=Unread()):
            return TooEarly(NO_DATA)
        case Glimpse(company=Company(), document=bytes() as document):
            live = read_configuration(document, world.now())
            return live if live.offers_options else TooEarly(NO_DATA)
    return TooEarly(NO_CONSENT)


def _misfit(wanted: Wanted, problem: Problem) -> Misfit:
    return Misfit(wanted.origins[problem.field][-1], problem.field, problem.kind, problem.wish, problem.candidates)

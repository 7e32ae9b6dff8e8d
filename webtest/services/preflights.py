"""The simulation of a wave's plan before the wave is opened, as a work of the server; a wave that waits for control parameters waits for them first."""

from collections.abc import Callable

from sqlmodel import Session as SqlSession

from cat_engine import Faulty
from webtest.catalog import Kit
from webtest.refusal import Refused
from webtest.services.searches import Searches
from webtest.services.waves import Waves
from webtest.services.works import Work, Works
from webtest.tasks import Preflight

PREFLIGHT = "preflight"


class Preflights:
    """The kind of works that they are: a wave has one."""

    def __init__(self, waves: Waves, works: Works, searches: Searches) -> None:
        self._waves, self._works, self._searches = waves, works, searches

    def begin(self, wave_id: str, *, actor: str, again: bool = False) -> Work:
        """Begin it, or once more where it has failed (or `again`), and with it the search that it waits for. Raises Refused as Waves.check_draft."""
        self._waves.check_draft(wave_id)
        needed, waits = self._waves.needs(wave_id), []
        if needed is not None:
            found = self._searches.state(*needed)
            waits = [self._searches.begin(*needed, again=found is not None and found.state == "failed").subject]
        found = self._works.state(PREFLIGHT, wave_id)
        return self._works.begin(
            PREFLIGHT, wave_id, actor=actor, again=again or (found is not None and found.state == "failed"), waits=waits
        )

    def simulated_for(self, actor: str) -> Callable[[Kit], None]:
        """What Waves.open asks: whether the simulation of this very plan and pool got to the end. Where it did not run yet, it begins for `actor`."""

        def simulated(kit: Kit) -> None:
            found = self._works.state(PREFLIGHT, kit.wave_id)
            if found is not None and found.outcome == {"plan_digest": kit.plan.digest, "pool_digest": kit.pool.digest}:
                return
            if found is not None and found.state == "failed":
                raise Faulty(found.faults)
            self.begin(kit.wave_id, actor=actor, again=True)
            raise Refused("checking")

        return simulated

    def task(self, subject: str) -> Preflight:
        """What is to be computed of a wave. Raises Waiting while its control parameters are searched for, Faulty where there are none."""
        return Preflight(*self._waves.runs_on(subject, self._searches.control))

    def keep(self, sql: SqlSession, work: Work) -> None:
        """Nothing: the work itself is looked at when the wave is opened."""

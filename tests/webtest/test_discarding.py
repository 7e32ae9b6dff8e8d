"""Waves that are discarded while others press something else."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlmodel import Session as SqlSession
from sqlmodel import select

from tests.webtest.conftest import OFFICER, PLAN, T0
from tests.webtest.searching import CONTROLLED, until
from webtest.config import House
from webtest.founding import invented_roster
from webtest.models import Attempt, Person
from webtest.refusal import Refused
from webtest.services.answers import export_answers
from webtest.services.psychometrics import Psychometrics
from webtest.services.results import Results
from webtest.services.wavelist import wave_faults
from webtest.services.waves import UPSERT_PERSON, NewWave
from webtest.services.works import Waiting
from webtest.snapshots import Controls
from webtest.wavefile import wave_lines

NEW = NewWave("Uji", "Kota", "Aula", "2026-11-24")
BLOCKED = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


def under_way(*_: object) -> Controls:
    raise Waiting([])


def blocked(house: House) -> int:
    """How many wait for a lock, as of now: within a transaction the server would say the same again and again."""
    with house.engine.connect() as connection:
        return int(connection.execute(BLOCKED).scalar_one())


def aside(act: Callable[[], object], said: list[str]) -> threading.Thread:
    """`act` in a thread of its own, and what came of it."""

    def run() -> None:
        try:
            act()
            said.append("done")
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shall see it
            said.append(str(error).splitlines()[0])

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_people_whom_a_roster_names_at_the_very_moment_stay_when_their_wave_is_discarded(house: House) -> None:
    """The other officer's transaction is under way when the wave is discarded, and is committed afterwards."""
    row, stranger = invented_roster(2)
    wave = house.waves.create(NEW, [row], CONTROLLED, actor=OFFICER, now=T0, control=under_way)
    other = house.waves.create(NEW, [stranger], CONTROLLED, actor=OFFICER, now=T0, control=under_way)
    said: list[str] = []
    with SqlSession(house.engine.execution_options(write=True)) as sql:
        sql.connection().execute(text(UPSERT_PERSON), {"nip": row.nip, "name": row.name, "job_level": row.job_level, "unit": row.unit})
        person = sql.exec(select(Person.id).where(Person.nip == row.nip)).one()
        sql.add(Attempt(id="A1", wave_id=other, person_id=person or 0, room="R", seat=2))
        sql.flush()
        thread = aside(lambda: house.waves.discard(wave, actor=OFFICER, now=T0), said)
        if house.engine.dialect.name == "postgresql":  # SQLite lets nobody in meanwhile
            until(lambda: blocked(house) == 1)
        sql.commit()
    thread.join()
    assert said == ["done"]
    with SqlSession(house.engine) as sql:
        assert {p.nip for p in sql.exec(select(Person)).all()} == {row.nip, stranger.nip}
        assert {a.wave_id for a in sql.exec(select(Attempt)).all()} == {other}


def test_answers_and_results_of_a_discarded_wave_are_refused_for_that_and_not_for_want_of_a_close(house: House) -> None:
    wave = house.waves.create(NEW, invented_roster(1), PLAN, actor=OFFICER, now=T0)
    house.waves.discard(wave, actor=OFFICER, now=T0)
    askers: list[Callable[[], object]] = [
        lambda: Psychometrics(house.engine, house.store).responses([wave]),
        lambda: export_answers(house, [wave], ()),
        lambda: Results(house.engine, house.store, house.catalog, house.keys).wave(wave),
        lambda: list(wave_lines(house.engine, house.store, wave)),
    ]
    for ask in askers:
        with pytest.raises(Refused, match="discarded"):
            ask()


def test_every_wave_whose_answers_may_not_be_used_is_named_with_the_reason(house: House) -> None:
    gone, draft = (house.waves.create(NEW, invented_roster(1), PLAN, actor=OFFICER, now=T0) for _ in range(2))
    house.waves.discard(gone, actor=OFFICER, now=T0)
    faults = wave_faults(house.engine, [draft, "nix", gone, "nix"])
    assert [(f.where, f.field) for f in faults] == [("--waves", draft), ("--waves", "nix"), ("--waves", gone)]
    assert [f.message for f in faults] == ["is not closed", "is no wave of this installation", "was discarded before it was opened"]
    assert wave_faults(house.engine, []) == []


def test_of_opening_and_discarding_a_wave_at_once_one_is_refused(house: House) -> None:
    wave = house.waves.create(NEW, invented_roster(1), PLAN, actor=OFFICER, now=T0)

    def discarded_meanwhile(_kit: object) -> None:
        house.waves.discard(wave, actor=OFFICER, now=T0)

    with pytest.raises(Refused, match="discarded"):
        house.waves.open(wave, actor=OFFICER, now=T0, simulated=discarded_meanwhile)
    assert [event.kind for event in house.store.events(wave)] == ["wave_created", "roster_loaded", "wave_discarded"]

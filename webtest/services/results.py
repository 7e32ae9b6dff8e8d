"""Results of a wave: profiles from the log, by the norms valid on its day; performance values; release; export."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from calibration.language import INDONESIAN, Language
from cat_engine import Fault, Faulty, estimate
from webtest.catalog import Catalog, Kit
from webtest.checkpoints import write_checkpoint
from webtest.events import Entry, Kind, SessionEvent, canonical
from webtest.job_levels import JOB_LEVELS
from webtest.keys import Keys
from webtest.models import Attempt, Norm, Performance, Person, Wave
from webtest.norm_words import NORM_WORDS
from webtest.refusal import Refused
from webtest.roster import PerformanceRow
from webtest.scoring import BoxResult, JobMatch, LevelResult, NineBox, job_match, level_result
from webtest.session import Session
from webtest.store import EventStore
from webtest.tables import Cell

POTENTIAL = "P."  # competencies whose code begins so are aspects of potential, not of competency
VALID_YEARS = 3
NORM_KINDS = ("levels", "standards", "potential", "categories", "ninebox")


@dataclass(frozen=True, slots=True)
class Norms:
    """The rule tables valid on a day."""

    level_names: tuple[str, ...]
    level_cuts: tuple[float, ...]
    standards: dict[str, int]
    potential_required: int
    category_names: tuple[str, ...]
    category_cuts: tuple[float, ...]
    ninebox: NineBox
    actions: dict[int, str]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """One person's result; levels, match and box are None where no item was answered."""

    attempt: str
    nip: str
    name: str
    job_level: str
    unit: str
    n_answers: int
    finish_reason: str
    levels: tuple[LevelResult, ...]
    aspects: tuple[LevelResult, ...]
    match: JobMatch | None
    box: BoxResult | None

    @property
    def strengths(self) -> tuple[LevelResult, ...]:
        """Competencies at or above the standard."""
        return tuple(r for r in self.levels if r.gap >= 0)

    @property
    def development(self) -> tuple[LevelResult, ...]:
        """Competencies below the standard."""
        return tuple(r for r in self.levels if r.gap < 0)


@dataclass(frozen=True, slots=True)
class WaveResults:
    """All profiles of a wave, and the norms they stand on."""

    wave: Wave
    profiles: tuple[Profile, ...]
    norms: Norms
    provisional: bool
    absent: int

    def boxes(self) -> dict[int, int]:
        """Box -> number of people placed in it."""
        counts = dict.fromkeys(range(1, 10), 0)
        for profile in self.profiles:
            if profile.box is not None:
                counts[profile.box.box] += 1
        return counts


def norms_on(sql: SqlSession, day: str) -> Norms:
    """The newest table of each kind with valid_from <= day. Raises Faulty where one is missing."""
    bodies: dict[str, dict[str, Any]] = {}
    sources = []
    for norm in sql.exec(select(Norm).where(Norm.valid_from <= day).order_by(col(Norm.valid_from))).all():
        bodies[norm.kind] = json.loads(norm.body)
    missing = [kind for kind in NORM_KINDS if kind not in bodies]
    if missing:
        raise Faulty(
            [Fault("wave", "day", f"no rules ({', '.join(missing)}) are valid on {day}", "another day, or load the rules of that day")]
        )
    for kind in NORM_KINDS:
        newest = sql.exec(select(Norm).where(Norm.kind == kind, Norm.valid_from <= day).order_by(col(Norm.valid_from).desc())).first()
        sources.append(newest.source if newest else "")
    box = bodies["ninebox"]
    return Norms(
        tuple(bodies["levels"]["names"]),
        tuple(bodies["levels"]["cuts"]),
        {key: int(value) for key, value in bodies["standards"].items()},
        int(bodies["potential"]["required"]),
        tuple(bodies["categories"]["names"]),
        tuple(bodies["categories"]["cuts"]),
        NineBox(
            tuple(box["cuts"]),
            box["weight_competency"],
            box["weight_potential"],
            box["weight_other"],
            tuple(tuple(row) for row in box["boxes"]),
        ),
        {int(key): value for key, value in box["actions"].items()},
        tuple(sources),
    )


class Results:
    """Use cases on the results of closed waves."""

    def __init__(self, engine: Engine, store: EventStore, catalog: Catalog, keys: Keys) -> None:
        self._engine, self._store, self._catalog, self._keys = engine, store, catalog, keys

    def wave(self, wave_id: str) -> WaveResults:
        """Every profile of a closed wave. Raises Refused("unknown" | "discarded" | "wave_not_closed"), and Faulty where no rules hold on its day."""
        with SqlSession(self._engine, expire_on_commit=False) as sql:
            wave = self._closed(sql, wave_id)
            norms = norms_on(sql, wave.day)
            query = select(Attempt, Person).join(Person, col(Attempt.person_id) == Person.id).where(Attempt.wave_id == wave_id)
            rows = sql.exec(query.order_by(Person.name)).all()
            held = {p.person_id: p for p in sql.exec(select(Performance).where(Performance.wave_id == wave_id)).all()}
            sql.expunge_all()
        kit = self._catalog.kit(wave_id)
        sessions = self._store.load_many([attempt.id for attempt, _ in rows])
        profiles = [
            _profile(kit, sessions[attempt.id], person, norms, held.get(attempt.person_id))
            for attempt, person in rows
            if sessions[attempt.id].n_answers and sessions[attempt.id].voided is None
        ]
        return WaveResults(wave, tuple(profiles), norms, kit.bank.provisional, len(rows) - len(profiles))

    def load_performance(self, wave_id: str, rows: Sequence[PerformanceRow], *, actor: str, now: int) -> tuple[int, int]:
        """Keep performance values of the wave's people; gives (kept, rows of other people). Raises Refused("not_now") after the release."""
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            if self._closed(sql, wave_id, hold=True).released_at is not None:
                raise Refused("not_now")
            query = select(Person.nip, Person.id).join(Attempt, col(Attempt.person_id) == Person.id).where(Attempt.wave_id == wave_id)
            people = dict(sql.exec(query).all())
            kept = [row for row in rows if row.nip in people]
            for row in kept:
                sql.merge(Performance(wave_id=wave_id, person_id=people[row.nip] or 0, kinerja=row.kinerja, other_potential=row.other))
            sql.flush()
            entry = Entry(Kind.PERFORMANCE_LOADED, {"people": len(kept), "digest": performance_digest(sql, wave_id)})
            self._store.write_in(sql, wave_id, wave_id, lambda _: [entry], actor=actor, now=now)
            write_checkpoint(sql, wave_id, self._keys, now)
        return len(kept), len(rows) - len(kept)

    def release(self, wave_id: str, *, actor: str, now: int) -> None:
        """An assessor releases the results of a closed wave; once. What is released is put into the log by its digest, and the log is sealed."""
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            wave = self._closed(sql, wave_id, hold=True)
            if wave.released_at is not None:
                raise Refused("not_now")
            entry = Entry(Kind.RESULTS_RELEASED, {"digest": results_digest(self.wave(wave_id))})
            wave.released_at = now
            sql.add(wave)
            self._store.write_in(sql, wave_id, wave_id, lambda _: [entry], actor=actor, now=now)
            write_checkpoint(sql, wave_id, self._keys, now)

    def table(self, wave_id: str, language: Language = INDONESIAN) -> list[list[Cell]]:
        """The results as a table with a header, one row a person; the header, job levels and categories in a language."""
        view, _ = self.wave(wave_id), language.gettext
        codes = sorted({r.code for p in view.profiles for r in (*p.levels, *p.aspects)})
        categories = [_(name) if name in NORM_WORDS else name for name in view.norms.category_names]
        own_heads = [_("level"), _("standar"), _("kesenjangan"), _("P(memenuhi)"), "theta", "SE"]
        borrowed = any(r.alone for p in view.profiles for r in (*p.levels, *p.aspects))
        own_heads += [_("theta tanpa pinjaman"), _("SE tanpa pinjaman")] if borrowed else []
        header: list[Cell] = ["nip", _("nama"), _("jenjang"), _("unit"), *(f"{code} {head}" for code in codes for head in own_heads)]
        header += ["JPM", _("JPM dibatasi"), _("kategori"), *(f"P({name})" for name in categories)]
        header += [_("kinerja"), _("potensial"), _("kotak"), _("P(kotak)")]
        rows: list[list[Cell]] = [header]
        for p in view.profiles:
            own = {r.code: r for r in (*p.levels, *p.aspects)}
            row: list[Cell] = [p.nip, p.name, _(JOB_LEVELS.get(p.job_level, p.job_level)), p.unit]
            for code in codes:
                r = own.get(code)
                cells: list[Cell] = [r.level, r.standard, r.gap, round(r.meets, 3), round(r.theta, 3), round(r.se, 3)] if r else [None] * 6
                if borrowed:
                    cells += [round(v, 3) for v in r.alone] if r and r.alone else [None] * 2
                row += cells
            if p.match:
                row += [round(p.match.jpm, 2), round(p.match.capped, 2), categories[p.match.category]]
                row += [round(v, 3) for v in p.match.probabilities]
            else:
                row += [None] * (3 + len(categories))
            row += (
                [p.box.performance, round(p.box.potential, 2), p.box.box, round(p.box.probabilities[p.box.box - 1], 3)]
                if p.box
                else [None] * 4
            )
            rows.append(row)
        return rows

    @staticmethod
    def _closed(sql: SqlSession, wave_id: str, *, hold: bool = False) -> Wave:
        """The closed wave; `hold` keeps its row until the end of the transaction, so that acts on one wave come one after another."""
        wave = sql.get(Wave, wave_id, with_for_update=hold or None)
        if wave is None:
            raise Refused("unknown")
        if wave.discarded_at is not None:
            raise Refused("discarded")
        if wave.closed_at is None:
            raise Refused("wave_not_closed")
        return wave


def job_level_of(terms: Mapping[str, Any], person: Person) -> str:
    """The job level on the day of the wave, as the log froze it; a later roster may have changed the person's."""
    return str(terms.get("job_level", person.job_level))


def performance_digest(sql: SqlSession, wave_id: str) -> str:
    """SHA-256 over the performance values held for a wave: what the log keeps of a table that could be changed."""
    query = select(Performance).where(Performance.wave_id == wave_id).order_by(col(Performance.person_id))
    return _sha256([[p.person_id, p.kinerja, p.other_potential] for p in sql.exec(query).all()])


def results_digest(view: WaveResults) -> str:
    """SHA-256 over what a release says of each attempt: levels against standards, JPM, category, box."""
    people = [
        [
            p.attempt,
            [[r.code, r.level, r.standard] for r in (*p.levels, *p.aspects)],
            [round(p.match.jpm, 6), p.match.category] if p.match else None,
            p.box.box if p.box else None,
        ]
        for p in view.profiles
    ]
    return _sha256(sorted(people, key=lambda row: str(row[0])))


def _sha256(value: object) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


NO_PERFORMANCE = _sha256([])


def _profile(kit: Kit, session: Session, person: Person, norms: Norms, performance: Performance | None) -> Profile:
    found = estimate(kit.plan, kit.pool, session.engine)
    levels, aspects = [], []
    job_level = job_level_of(session.terms, person)
    for s, code in enumerate(kit.pool.competencies):
        potential = code.startswith(POTENTIAL)
        standard = norms.potential_required if potential else norms.standards[job_level]
        result = level_result(code, found.posterior[s], kit.pool.nodes, norms.level_cuts, standard, int(found.n[s]))
        if kit.plan.joint is not None:
            result = replace(result, alone=(float(found.own_theta[s]), float(found.own_se[s])))
        if result.n:
            (aspects if potential else levels).append(result)
    match = job_match(levels, norms.category_cuts) if levels else None
    box = (
        norms.ninebox.place(levels, aspects, performance.kinerja, performance.other_potential)
        if performance and levels and aspects
        else None
    )
    return Profile(
        session.attempt, person.nip, person.name, job_level, person.unit, session.n_answers, session.finish_reason or "",
        tuple(levels), tuple(aspects), match, box,
    )  # fmt: skip


def log_lines(engine: Engine, store: EventStore, wave_id: str) -> Iterator[dict[str, Any]]:
    """Every event of a closed wave with the NIP it belongs to, for checking from outside. Raises Refused at once, not at the first line."""
    with SqlSession(engine) as sql:
        Results._closed(sql, wave_id)
        query = select(Attempt.id, Person.nip).join(Person, col(Attempt.person_id) == Person.id).where(Attempt.wave_id == wave_id)
        nips = dict(sql.exec(query).all())
    return (_line(event, nips.get(attempt, "")) for attempt, events in store.wave_events(wave_id).items() for event in events)


def _line(e: SessionEvent, nip: str) -> dict[str, Any]:
    return {
        "attempt": e.attempt, "nip": nip, "seq": e.seq, "kind": e.kind, "at": e.at, "actor": e.actor, "payload": dict(e.payload),
        "prev_hash": e.prev_hash, "hash": e.hash,
    }  # fmt: skip

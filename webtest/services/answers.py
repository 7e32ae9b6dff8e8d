"""The answers of closed waves as they leave the database: Parquet by wave, persons under a pseudonym, with a manifest of digests."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from calibration.parquet import SCHEMA, write_responses_parquet
from cat_engine import Faulty
from itembank.store import load_bank
from webtest.config import House
from webtest.events import Kind, SessionEvent, first_break, read_chain
from webtest.kept_answers import answers_differ, differing, odd_answer, of_nobody
from webtest.keys import name_hash
from webtest.models import Attempt, KeptAnswers, Person, Wave
from webtest.refusal import Refused
from webtest.response_files import FORMAT, MANIFEST, digest
from webtest.services.wavelist import closed_waves
from webtest.store import stored_events

GROUPS = ("job_level", "sex", "agency", "unit")
SEX_DIGIT = 14  # of an NIP: 1 man, 2 woman
SEXES = {"1": "m", "2": "f"}


@dataclass(frozen=True, slots=True)
class WaveAnswers:
    """A wave's file: its content, and what the manifest says of it."""

    content: bytes
    facts: Mapping[str, Any]


def check_logs(engine: Engine, waves: Iterable[str]) -> None:
    """Raises Faulty where the log of a wave does not hold, with the first place, and where the answers kept of it are not those of its log."""
    for wave in waves:
        streams = stored_events(engine, wave)
        for rows in streams.values():
            if broken := first_break(rows):
                raise Faulty([broken.fault])
        with SqlSession(engine) as sql:
            kept = sql.get(KeptAnswers, wave)
        if kept is not None and answers_differ(kept.content, streams):
            raise Faulty([differing(wave)])


def export_answers(house: House, waves: Sequence[str], groups: Sequence[str]) -> dict[str, bytes]:
    """File name -> content: a Parquet file a wave with `groups` (of GROUPS) as columns, and the manifest.

    person_id is a keyed hash: the same person has the same one in every wave of the installation, and nobody without its keys can go back from it.
    Attempts that were declared void are left out and counted. Raises Refused("unknown" | "discarded" | "wave_not_closed" | "no_answers"), and Faulty
    where a wave's log does not hold, or an event of it is no answer.
    """
    closed = {wave.id: wave for wave in closed_waves(house.engine, waves)}
    made = {wave_id: wave for wave_id in dict.fromkeys(waves or closed) if (wave := _of_wave(house, closed[wave_id], groups)) is not None}
    if not made:
        raise Refused("no_answers")
    files = {f"{wave_id}.parquet": wave.content for wave_id, wave in made.items()}
    manifest = {
        "format": FORMAT,
        "person_id": "HMAC-SHA256 of the person under a key of the installation",
        "files": [{"name": f"{wave_id}.parquet", **wave.facts, "sha256": digest(wave.content)} for wave_id, wave in made.items()],
    }
    return {**files, MANIFEST: (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()}


def _of_wave(house: House, wave: Wave, groups: Sequence[str]) -> WaveAnswers | None:
    """One wave; None where nobody has answered anything."""
    with SqlSession(house.engine) as sql:
        query = select(Attempt.id, Person).join(Person, col(Person.id) == col(Attempt.person_id)).where(col(Attempt.wave_id) == wave.id)
        people = dict(sql.exec(query).all())
        labels = {attempt: _labels(person, wave) for attempt, person in people.items()}
        names = {attempt: name_hash(house.keys.pepper, "answers", person.nip) for attempt, person in people.items()}
        bank = load_bank(sql, wave.bank_version)
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    own: dict[str, list[str]] = {name: [] for name in groups}
    void = 0
    for attempt, rows in stored_events(house.engine, wave.id).items():
        events, broken = read_chain(rows)
        broken = broken or odd_answer(events)
        if broken is not None:
            raise Faulty([broken.fault])
        answers = _answers(events)
        if answers and attempt not in people:
            raise Faulty([of_nobody(attempt)])
        if any(event.kind == Kind.VOIDED for event in events):
            void += len(answers)
            continue
        for row in answers:
            for name, value in {
                **row,
                "person_id": names[attempt],
                "wave": wave.id,
                "competency": bank.competency_of(bank.index[row["item_id"]]),
            }.items():
                columns[name].append(value)
            for name in groups:
                own[name].append(labels[attempt][name])
    if not columns["item_id"]:
        return None
    facts = {
        "wave": wave.id, "day": wave.day, "bank_version": wave.bank_version, "plan_digest": wave.plan_digest,
        "people": len(set(columns["person_id"])), "items": len(set(columns["item_id"])), "answers": len(columns["item_id"]), "void": void,
    }  # fmt: skip
    return WaveAnswers(write_responses_parquet(columns, own), facts)


def _answers(events: Sequence[SessionEvent]) -> list[dict[str, Any]]:
    """The answers of an attempt with what the engine knew when it chose the item."""
    shown = {event.seq: event.payload for event in events if event.kind == Kind.PRESENTED}
    answered = [event.payload for event in events if event.kind == Kind.ANSWERED]
    return [
        {
            "item_id": p["item_id"], "category": p["category"], "rt_ms": p["rt_ms"], "position": position,
            "theta_before": shown[p["presented_seq"]]["theta"], "why": shown[p["presented_seq"]].get("why", "adaptive"),
        }
        for position, p in enumerate(answered)
    ]  # fmt: skip


def _labels(person: Person, wave: Wave) -> dict[str, str]:
    sex = SEXES.get(person.nip[SEX_DIGIT : SEX_DIGIT + 1], "")
    return dict(zip(GROUPS, (person.job_level, sex, wave.agency, person.unit), strict=True))

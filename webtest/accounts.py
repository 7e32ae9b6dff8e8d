"""Officers' accounts: Argon2id passwords, roles, and what each role may do."""

import secrets
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import Engine
from sqlmodel import Session as SqlSession
from sqlmodel import col, delete, select

from cat_engine import Fault, Faulty
from webtest.keys import name_hash
from webtest.models import EndedSession, OfficerRow
from webtest.refusal import Refused
from webtest.tries import count_try, forget_tries

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
SHORTEST_PASSWORD = 10


class Right(StrEnum):
    """What a role may do; every officer's route names one."""

    SEE_WAVES = "see_waves"
    RUN_ROOM = "run_room"
    MAKE_WAVES = "make_waves"
    SEE_BANK = "see_bank"
    CALIBRATE = "calibrate"
    SEE_RESULTS = "see_results"
    RELEASE = "release"


_ROOM = {Right.SEE_WAVES, Right.RUN_ROOM}
RIGHTS: dict[str, frozenset[Right]] = {
    "pengawas": frozenset(_ROOM | {Right.MAKE_WAVES}),
    "koordinator": frozenset(_ROOM | {Right.MAKE_WAVES}),
    "psikometrisi": frozenset({Right.SEE_WAVES, Right.SEE_BANK, Right.CALIBRATE}),
    "asesor": frozenset({Right.SEE_WAVES, Right.SEE_RESULTS, Right.RELEASE}),
    "auditor": frozenset({Right.SEE_WAVES, Right.SEE_BANK, Right.SEE_RESULTS}),
    "admin": frozenset({Right.SEE_WAVES}),
}


@dataclass(frozen=True, slots=True)
class Officer:
    """Who is logged in."""

    id: int
    username: str
    name: str
    nip: str
    role: str

    @property
    def actor(self) -> str:
        """The name in the log."""
        return f"user:{self.id}"

    def may(self, right: Right) -> bool:
        """Whether the officer's role carries a right."""
        return right in RIGHTS[self.role]


def _officer(row: OfficerRow) -> Officer:
    return Officer(row.id or 0, row.username, row.name, row.nip, row.role)


@cache
def _decoy() -> str:
    """The hash of a password that nobody has, made once a process: to refuse an unknown name takes as long as to refuse a wrong password."""
    return HASHER.hash(secrets.token_hex(8))


class Accounts:
    """Use cases on accounts."""

    def __init__(self, engine: Engine, pepper: bytes) -> None:
        self._engine, self._pepper = engine, pepper
        self._decoy = _decoy()

    def add(self, username: str, name: str, role: str, password: str, nip: str = "") -> Officer:
        """A new account. Raises Faulty naming every field that cannot be."""
        faults = []
        if not username.isidentifier() or len(username) > 40:
            faults.append(Fault("user", "username", f"'{username}' is not a user name", "letters, digits, underscore; at most 40"))
        if role not in RIGHTS:
            faults.append(Fault("user", "role", f"'{role}' is not known", "one of " + ", ".join(RIGHTS)))
        if len(password) < SHORTEST_PASSWORD:
            faults.append(Fault("user", "password", "is too short", f"at least {SHORTEST_PASSWORD} characters"))
        if not name.strip():
            faults.append(Fault("user", "name", "is empty"))
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            if sql.exec(select(OfficerRow).where(OfficerRow.username == username)).first():
                faults.append(Fault("user", "username", f"'{username}' is taken"))
            if faults:
                raise Faulty(faults)
            row = OfficerRow(username=username, name=name.strip(), role=role, nip=nip, password_hash=HASHER.hash(password))
            sql.add(row)
            sql.flush()
            return _officer(row)

    def set_password(self, username: str, password: str) -> None:
        """A new password for an account that forgot its own; unlocks it. Raises Faulty."""
        if len(password) < SHORTEST_PASSWORD:
            raise Faulty([Fault("user", "password", "is too short", f"at least {SHORTEST_PASSWORD} characters")])
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            row = sql.exec(select(OfficerRow).where(OfficerRow.username == username)).first()
            if row is None:
                raise Faulty([Fault("user", "username", f"there is no account '{username}'", "'cact user list' shows them")])
            row.password_hash = HASHER.hash(password)
            forget_tries(sql, name_hash(self._pepper, "officer", username))

    def login(self, username: str, password: str, now: int) -> Officer:
        """Check a password. Raises Refused: the same for a wrong name and a wrong password, "locked" after five failures in a row."""
        who = name_hash(self._pepper, "officer", username)
        count_try(self._engine, who, now)
        known = username.isidentifier()  # anything else was never made, and need not be asked of the database
        with SqlSession(self._engine) as sql:
            row = sql.exec(select(OfficerRow).where(OfficerRow.username == username)).first() if known else None
        try:
            HASHER.verify(row.password_hash if row else self._decoy, password)
        except VerificationError:
            raise Refused("officer_login_failed") from None
        if row is None or not row.active:
            raise Refused("officer_login_failed")
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            forget_tries(sql, who)
        return _officer(row)

    def get(self, officer_id: int, session_id: str) -> Officer | None:
        """The account behind a session cookie, while it is active and the session was not ended."""
        with SqlSession(self._engine) as sql:
            row = sql.get(OfficerRow, officer_id)
            ended = sql.get(EndedSession, session_id)
        return _officer(row) if row is not None and row.active and ended is None else None

    def end_session(self, session_id: str, now: int, longest_ms: int) -> None:
        """An officer leaves: from now on the session opens nothing. It is remembered as long as its cookie could live."""
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            sql.exec(delete(EndedSession).where(col(EndedSession.forget_at) < now))
            sql.merge(EndedSession(id=session_id, forget_at=now + longest_ms))

    def all(self) -> list[Officer]:
        """Every account, by name."""
        with SqlSession(self._engine) as sql:
            return [_officer(row) for row in sql.exec(select(OfficerRow).order_by(OfficerRow.username)).all()]

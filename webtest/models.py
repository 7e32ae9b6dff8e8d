"""Rows of everything but the bank and the log. CHECK constraints stand in the migrations; the log is webtest.store."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class OfficerRow(SQLModel, table=True):
    """An account of someone who works with CACT: proctor, coordinator, psychometrician, assessor, auditor, admin."""

    __tablename__ = "officer"
    id: int | None = Field(default=None, primary_key=True)
    username: str = Field(unique=True)
    name: str
    nip: str = ""
    role: str
    password_hash: str
    active: bool = True


class LoginTry(SQLModel, table=True):
    """Tries at a door under one name (a keyed hash of it), since the last login that succeeded."""

    __tablename__ = "login_try"
    who: str = Field(primary_key=True)
    failures: int = 0
    locked_until: int = Field(default=0, sa_type=BigInteger)
    forget_at: int = Field(default=0, sa_type=BigInteger)


class EndedSession(SQLModel, table=True):
    """An officer's session that was left before its time: a copy of its cookie opens nothing."""

    __tablename__ = "ended_session"
    id: str = Field(primary_key=True)
    forget_at: int = Field(sa_type=BigInteger)


class Wave(SQLModel, table=True):
    """A wave (gelombang): who sits what, where and when. Plan, bank version and pool are pinned when it is created; `snapshot` is what of past
    use is in the pool (itembank.bank.Snapshot), None for a wave made when pools were parameters alone. `waiting`: what its log will say of the roster
    once the control parameters of its pool are found; None for a wave whose pool is pinned.
    """

    __tablename__ = "wave"
    id: str = Field(primary_key=True)
    name: str
    agency: str
    place: str
    day: str
    zone: str = "WIB"
    seed: int = Field(sa_type=BigInteger)
    plan: str
    plan_digest: str
    bank_version: int = Field(foreign_key="bank_version.version")
    pool_digest: str
    snapshot: str | None = None
    waiting: str | None = None
    roster_digest: str
    created_by: str
    created_at: int = Field(sa_type=BigInteger)
    opened_at: int | None = Field(default=None, sa_type=BigInteger)
    closed_at: int | None = Field(default=None, sa_type=BigInteger)
    released_at: int | None = Field(default=None, sa_type=BigInteger)
    discarded_at: int | None = Field(default=None, sa_type=BigInteger)
    discarded_by: str | None = None

    @property
    def status(self) -> str:
        """draft -> open -> closed -> released, or draft -> discarded, from the facts."""
        if self.discarded_at is not None:
            return "discarded"
        if self.released_at is not None:
            return "released"
        if self.closed_at is not None:
            return "closed"
        return "draft" if self.opened_at is None else "open"


class WorkRow(SQLModel, table=True):
    """Something that is computed aside of the server, one of its kind and subject: who asked for it and when, `done` of `total` steps, by which process,
    when it was last heard of, how often its process ended without an outcome, what it waits for (JSON), and what came out (JSON, with its digest).
    """

    __tablename__ = "work"
    kind: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    state: str
    actor: str = ""
    asked_at: int = Field(sa_type=BigInteger)
    done: int = 0
    total: int = 0
    breaks: int = 0
    waits: str | None = None
    runner: str
    started_at: int = Field(sa_type=BigInteger)
    beat_at: int = Field(sa_type=BigInteger)
    outcome: str | None = None
    outcome_digest: str | None = None


class Person(SQLModel, table=True):
    """A civil servant. The NIP holds birth date and sex: it never goes into a URL, a log or a file name."""

    __tablename__ = "person"
    id: int | None = Field(default=None, primary_key=True)
    nip: str = Field(unique=True)
    name: str
    job_level: str
    unit: str


class Attempt(SQLModel, table=True):
    """One person's test in one wave; all that happens in it is in the event log under its id."""

    __tablename__ = "attempt"
    id: str = Field(primary_key=True)
    wave_id: str = Field(foreign_key="wave.id")
    person_id: int = Field(foreign_key="person.id")
    room: str
    seat: int
    pin_hash: str | None = None
    pin_expires_at: int = Field(default=0, sa_type=BigInteger)


class Checkpoint(SQLModel, table=True):
    """A signed Merkle root over the heads of a wave's chains."""

    __tablename__ = "checkpoint"
    wave_id: str = Field(primary_key=True)
    n: int = Field(primary_key=True)
    at: int = Field(sa_type=BigInteger)
    root: str
    heads: str
    signature: str
    public_key: str


class KeptAnswers(SQLModel, table=True):
    """The answers of a closed wave as columns, made from its log (webtest.kept_answers)."""

    __tablename__ = "kept_answers"
    wave_id: str = Field(primary_key=True, foreign_key="wave.id")
    content: bytes


class Norm(SQLModel, table=True):
    """A table of rules (level cuts, standards, categories, boxes) that holds from a day on."""

    __tablename__ = "norm"
    kind: str = Field(primary_key=True)
    valid_from: str = Field(primary_key=True)
    source: str
    body: str


class Performance(SQLModel, table=True):
    """A person's performance value (kinerja, 0-100) for the nine boxes, and optionally the other parts of potential (0-100)."""

    __tablename__ = "performance"
    wave_id: str = Field(primary_key=True)
    person_id: int = Field(primary_key=True)
    kinerja: float
    other_potential: float | None = None


class CalibrationRun(SQLModel, table=True):
    """A calibration: which waves, on which bank, what it proposed, and the draft made of it."""

    __tablename__ = "calibration_run"
    id: int | None = Field(default=None, primary_key=True)
    at: int = Field(sa_type=BigInteger)
    actor: str
    waves: str
    base_version: int
    summary: str
    draft_version: int | None = None
    estimates: str = "[]"


class CalibrationDraft(SQLModel, table=True):
    """A version that was made as the draft of a calibration, or of decisions on one; the run names the one that counts."""

    __tablename__ = "calibration_draft"
    run_id: int = Field(primary_key=True, foreign_key="calibration_run.id")
    version: int = Field(primary_key=True, foreign_key="bank_version.version")


class CalibrationReport(SQLModel, table=True):
    """The report of a calibration as HTML, in a language of languages.LANGUAGES."""

    __tablename__ = "calibration_report"
    run_id: int = Field(primary_key=True, foreign_key="calibration_run.id")
    language: str = Field(primary_key=True)
    html: str


class CalibrationDecision(SQLModel, table=True):
    """What a person decided on an item otherwise than the run proposed, with the reason; the last one of an item counts."""

    __tablename__ = "calibration_decision"
    run_id: int = Field(primary_key=True, foreign_key="calibration_run.id")
    n: int = Field(primary_key=True)
    at: int = Field(sa_type=BigInteger)
    actor: str
    item_id: str
    decision: str
    reason: str


class VersionTrial(SQLModel, table=True):
    """A simulation of a plan on a version of the bank and on its parent, before a person decides on the version."""

    __tablename__ = "version_trial"
    version: int = Field(primary_key=True, foreign_key="bank_version.version")
    n: int = Field(primary_key=True)
    at: int = Field(sa_type=BigInteger)
    actor: str
    plan_name: str
    plan_digest: str
    people: int
    seed: int
    before: str
    after: str
    checks: str
    holds: bool


class VersionVerdict(SQLModel, table=True):
    """Who published or refused a version, and why."""

    __tablename__ = "version_verdict"
    version: int = Field(primary_key=True, foreign_key="bank_version.version")
    at: int = Field(sa_type=BigInteger)
    actor: str
    verdict: str
    reason: str

"""Officers, waves, people, attempts, the event log, checkpoints, norms, performance values, calibration runs."""

import sqlalchemy as sa
from alembic import op

from webtest.migrations.append_only import refuse_changes

revision = "w001"
down_revision = None
branch_labels = ("webtest",)
depends_on = "b001"


def upgrade() -> None:
    op.create_table(
        "officer",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("username", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("nip", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("locked_until", sa.BigInteger, nullable=False),
        sa.CheckConstraint("role IN ('pengawas', 'koordinator', 'psikometrisi', 'asesor', 'auditor', 'admin')", name="officer_role"),
    )
    op.create_table(
        "wave",
        sa.Column("id", sa.String(12), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("agency", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("zone", sa.String(4), nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("plan_digest", sa.String(64), nullable=False),
        sa.Column("bank_version", sa.Integer, sa.ForeignKey("bank_version.version"), nullable=False),
        sa.Column("pool_digest", sa.String(64), nullable=False),
        sa.Column("roster_digest", sa.String(64), nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("opened_at", sa.BigInteger),
        sa.Column("closed_at", sa.BigInteger),
        sa.Column("released_at", sa.BigInteger),
        sa.CheckConstraint("zone IN ('WIB', 'WITA', 'WIT')", name="wave_zone"),
        sa.CheckConstraint("closed_at IS NULL OR opened_at IS NOT NULL", name="wave_order"),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("nip", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("job_level", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
    )
    op.create_table(
        "attempt",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("wave_id", sa.String(12), sa.ForeignKey("wave.id"), nullable=False, index=True),
        sa.Column("person_id", sa.Integer, sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("room", sa.Text, nullable=False),
        sa.Column("seat", sa.Integer, nullable=False),
        sa.Column("pin_hash", sa.String(64)),
        sa.Column("pin_expires_at", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("locked_until", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("wave_id", "person_id", name="attempt_person_once"),
    )
    op.create_table(
        "session_event",
        sa.Column("attempt", sa.String(16), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("wave", sa.String(12), nullable=False, index=True),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("prev_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "checkpoint",
        sa.Column("wave_id", sa.String(12), sa.ForeignKey("wave.id"), primary_key=True),
        sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("root", sa.String(64), nullable=False),
        sa.Column("heads", sa.Text, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
        sa.Column("public_key", sa.Text, nullable=False),
    )
    op.create_table(
        "heartbeat",
        sa.Column("attempt", sa.String(16), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "norm",
        sa.Column("kind", sa.String(24), primary_key=True),
        sa.Column("valid_from", sa.String(10), primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "performance",
        sa.Column("wave_id", sa.String(12), sa.ForeignKey("wave.id"), primary_key=True),
        sa.Column("person_id", sa.Integer, sa.ForeignKey("person.id"), primary_key=True),
        sa.Column("kinerja", sa.Float(53), nullable=False),
        sa.Column("other_potential", sa.Float(53)),
        sa.CheckConstraint("kinerja >= 0 AND kinerja <= 100", name="performance_range"),
    )
    op.create_table(
        "calibration_run",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("waves", sa.Text, nullable=False),
        sa.Column("base_version", sa.Integer, sa.ForeignKey("bank_version.version"), nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
        sa.Column("draft_version", sa.Integer, sa.ForeignKey("bank_version.version")),
    )
    refuse_changes("session_event")
    refuse_changes("checkpoint")

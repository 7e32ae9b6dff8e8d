"""Everything that the server computes aside in one table: searches for control parameters are one kind of work."""

import sqlalchemy as sa
from alembic import op

revision = "w008"
down_revision = "w007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "work",
        sa.Column("kind", sa.String(12), primary_key=True),
        sa.Column("subject", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("breaks", sa.Integer, nullable=False),
        sa.Column("waits", sa.Text),
        sa.Column("runner", sa.String(16), nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("beat_at", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("outcome_digest", sa.String(64)),
        sa.CheckConstraint("state IN ('running', 'finished', 'failed', 'interrupted')", name="work_state"),
        sa.CheckConstraint("(outcome IS NOT NULL) = (state IN ('finished', 'failed'))", name="work_outcome"),
    )
    op.execute(
        "INSERT INTO work (kind, subject, state, actor, asked_at, done, total, breaks, runner, started_at, beat_at, outcome, outcome_digest) "
        "SELECT 'control', digest, state, '', started_at, done, total, 0, runner, started_at, beat_at, outcome, outcome_digest FROM control_search"
    )
    op.drop_table("control_search")

"""Searches for control parameters, which the server does aside; and waves that wait for one: their log begins when it is done."""

import sqlalchemy as sa
from alembic import op

revision = "w007"
down_revision = "w006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "control_search",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("runner", sa.String(16), nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("beat_at", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("outcome_digest", sa.String(64)),
        sa.CheckConstraint("state IN ('running', 'finished', 'failed', 'interrupted')", name="control_search_state"),
        sa.CheckConstraint("(outcome IS NOT NULL) = (state IN ('finished', 'failed'))", name="control_search_outcome"),
    )
    op.add_column("wave", sa.Column("waiting", sa.Text))

"""The answers of closed waves are kept as columns, made from the log when they are first wanted; void attempts are found without reading the log."""

import sqlalchemy as sa
from alembic import op

revision = "w010"
down_revision = "w009"
branch_labels = None
depends_on = None

VOIDED = sa.text("kind = 'voided'")


def upgrade() -> None:
    op.create_table(
        "kept_answers",
        sa.Column("wave_id", sa.String(12), sa.ForeignKey("wave.id"), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_session_event_voided", "session_event", ["wave", "attempt"], sqlite_where=VOIDED, postgresql_where=VOIDED)

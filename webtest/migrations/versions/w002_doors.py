"""Tries at the doors are counted by a hash of the name, whether the name exists or not; officers' sessions that were ended."""

import sqlalchemy as sa
from alembic import op

revision = "w002"
down_revision = "w001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "login_try",
        sa.Column("who", sa.String(64), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("locked_until", sa.BigInteger, nullable=False),
        sa.Column("forget_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "ended_session",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("forget_at", sa.BigInteger, nullable=False),
    )
    for table in ("officer", "attempt"):
        op.drop_column(table, "failures")
        op.drop_column(table, "locked_until")

"""The review of a calibration: its estimates item by item, what a person decided otherwise and why, trials of a version, and verdicts with reasons."""

import sqlalchemy as sa
from alembic import op

from webtest.migrations.append_only import refuse_changes

revision = "w003"
down_revision = "w002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calibration_run", sa.Column("estimates", sa.Text, nullable=False, server_default="[]"))
    op.create_table(
        "calibration_decision",
        sa.Column("run_id", sa.Integer, sa.ForeignKey("calibration_run.id"), primary_key=True),
        sa.Column("n", sa.Integer, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("decision", sa.String(8), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.CheckConstraint("decision IN ('adopt', 'keep', 'hold')", name="calibration_decision_kind"),
    )
    op.create_table(
        "version_trial",
        sa.Column("version", sa.Integer, sa.ForeignKey("bank_version.version"), primary_key=True),
        sa.Column("n", sa.Integer, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("plan_name", sa.Text, nullable=False),
        sa.Column("plan_digest", sa.String(64), nullable=False),
        sa.Column("people", sa.Integer, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("checks", sa.Text, nullable=False),
        sa.Column("holds", sa.Boolean, nullable=False),
    )
    op.create_table(
        "version_verdict",
        sa.Column("version", sa.Integer, sa.ForeignKey("bank_version.version"), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("verdict", sa.String(12), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    for table in ("calibration_decision", "version_trial", "version_verdict"):
        refuse_changes(table)

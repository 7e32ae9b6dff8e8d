"""The report of a calibration in each language: a table of its own. The reports so far are Indonesian."""

import sqlalchemy as sa
from alembic import op

revision = "w005"
down_revision = "w004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calibration_report",
        sa.Column("run_id", sa.Integer, sa.ForeignKey("calibration_run.id"), primary_key=True),
        sa.Column("language", sa.String(8), primary_key=True),
        sa.Column("html", sa.Text, nullable=False),
    )
    op.execute("INSERT INTO calibration_report (run_id, language, html) SELECT id, 'id', report FROM calibration_run")
    op.drop_column("calibration_run", "report")

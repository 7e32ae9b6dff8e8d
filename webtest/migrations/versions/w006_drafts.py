"""Which versions were ever the draft of a calibration: decisions of a review put another draft in the place of the one before.

Of drafts that were replaced before this was kept, what tells is that they were saved in the instant of a run on their parent, or of a decision on one.
"""

import sqlalchemy as sa
from alembic import op

from webtest.migrations.append_only import refuse_changes

revision = "w006"
down_revision = "w005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calibration_draft",
        sa.Column("run_id", sa.Integer, sa.ForeignKey("calibration_run.id"), primary_key=True),
        sa.Column("version", sa.Integer, sa.ForeignKey("bank_version.version"), primary_key=True),
    )
    op.execute(
        "INSERT INTO calibration_draft (run_id, version) "
        "SELECT r.id, v.version FROM calibration_run r JOIN bank_version v ON v.version = r.draft_version "
        "OR (v.parent = r.base_version AND (v.created_at = r.at OR EXISTS "
        "(SELECT 1 FROM calibration_decision d WHERE d.run_id = r.id AND d.at = v.created_at)))"
    )
    refuse_changes("calibration_draft")

"""What past use said when a wave was made is kept with it; NULL for waves made before, whose pools are parameters alone."""

import sqlalchemy as sa
from alembic import op

revision = "w004"
down_revision = "w003"
branch_labels = None
depends_on = "b003"


def upgrade() -> None:
    op.add_column("wave", sa.Column("snapshot", sa.Text))

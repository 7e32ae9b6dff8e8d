"""Waves that were discarded before they were opened: by whom and when."""

import sqlalchemy as sa
from alembic import op

revision = "w009"
down_revision = "w008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("wave", sa.Column("discarded_at", sa.BigInteger))
    op.add_column("wave", sa.Column("discarded_by", sa.String(80)))

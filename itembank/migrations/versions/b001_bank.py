"""Bank versions, their items, and item content."""

import sqlalchemy as sa
from alembic import op

revision = "b001"
down_revision = None
branch_labels = ("itembank",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bank_version",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("parent", sa.Integer, sa.ForeignKey("bank_version.version")),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("competencies", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_at", sa.BigInteger),
        sa.CheckConstraint("status IN ('draft', 'published', 'refused')", name="bank_version_status"),
    )
    op.create_table(
        "item_content",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("item_id", sa.Text, nullable=False, index=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "bank_item",
        sa.Column("version", sa.Integer, sa.ForeignKey("bank_version.version"), primary_key=True),
        sa.Column("item_id", sa.Text, primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("competency", sa.Text, nullable=False),
        sa.Column("model", sa.String(8), nullable=False),
        sa.Column("a", sa.Float(53), nullable=False),
        sa.Column("b", sa.Text, nullable=False),
        sa.Column("c", sa.Float(53), nullable=False),
        sa.Column("d", sa.Float(53), nullable=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("calibration", sa.String(12), nullable=False),
        sa.Column("content_digest", sa.String(64), sa.ForeignKey("item_content.digest")),
        sa.Column("attributes", sa.Text, nullable=False),
        sa.CheckConstraint("a > 0", name="bank_item_a"),
        sa.CheckConstraint("c >= 0 AND c < d AND d <= 1", name="bank_item_asymptotes"),
        sa.CheckConstraint("status IN ('active', 'held', 'retired')", name="bank_item_status"),
        sa.CheckConstraint("calibration IN ('provisional', 'calibrated')", name="bank_item_calibration"),
    )

"""Items may be in pretest: given to gather answers, never scored."""

import sqlalchemy as sa
from alembic import op

revision = "b003"
down_revision = "b002"
branch_labels = None
depends_on = None

OLD = "status IN ('active', 'held', 'retired')"
NEW = "status IN ('active', 'pretest', 'held', 'retired')"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _sqlite()
        return
    op.drop_constraint("bank_item_status", "bank_item")
    op.create_check_constraint("bank_item_status", "bank_item", NEW)


def _sqlite() -> None:
    """SQLite changes no constraint: the table is made again around its rows, and its triggers with it."""
    of_table = sa.text("SELECT sql FROM sqlite_master WHERE tbl_name = 'bank_item' AND type = :kind AND sql IS NOT NULL")
    [table] = op.get_bind().execute(of_table, {"kind": "table"}).scalars()
    triggers = op.get_bind().execute(of_table, {"kind": "trigger"}).scalars().all()
    made = table.replace("bank_item", "bank_item_new", 1).replace(OLD, NEW)
    op.execute(made)
    op.execute("INSERT INTO bank_item_new SELECT * FROM bank_item")
    op.execute("DROP TABLE bank_item")
    op.execute("ALTER TABLE bank_item_new RENAME TO bank_item")
    for trigger in triggers:
        op.execute(trigger)

"""The database refuses to change a saved bank: items and texts never, a version only from draft to its verdict."""

from alembic import op

revision = "b002"
down_revision = "b001"
branch_labels = None
depends_on = None

FIXED = ("version", "parent", "digest", "competencies", "note", "created_by", "created_at")


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _sqlite()
    else:
        _postgresql()


def _sqlite() -> None:
    for table in ("bank_item", "item_content", "bank_version"):
        for verb in ("DELETE",) if table == "bank_version" else ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table}: a saved bank does not change'); END"
            )
    changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in FIXED)
    op.execute(
        f"CREATE TRIGGER bank_version_once BEFORE UPDATE ON bank_version WHEN OLD.status <> 'draft' OR {changed} "
        "BEGIN SELECT RAISE(ABORT, 'bank_version: a saved bank does not change'); END"
    )
    op.execute(
        "CREATE TRIGGER bank_item_late BEFORE INSERT ON bank_item "
        "WHEN (SELECT status FROM bank_version WHERE version = NEW.version) <> 'draft' "
        "BEGIN SELECT RAISE(ABORT, 'bank_item: a saved bank does not change'); END"
    )


def _postgresql() -> None:
    changed = " OR ".join(f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in FIXED)
    bodies = {
        "bank_saved": "RAISE EXCEPTION '%: a saved bank does not change', TG_TABLE_NAME;",
        "bank_version_once": f"IF OLD.status <> 'draft' OR {changed} THEN "
        "RAISE EXCEPTION 'bank_version: a saved bank does not change'; END IF; RETURN NEW;",
        "bank_item_late": "IF (SELECT status FROM bank_version WHERE version = NEW.version) <> 'draft' THEN "
        "RAISE EXCEPTION 'bank_item: a saved bank does not change'; END IF; RETURN NEW;",
    }
    for name, body in bodies.items():
        op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$")
    for table, verbs in (
        ("bank_item", "UPDATE OR DELETE OR TRUNCATE"),
        ("item_content", "UPDATE OR DELETE OR TRUNCATE"),
        ("bank_version", "DELETE OR TRUNCATE"),
    ):
        op.execute(f"CREATE TRIGGER {table}_saved BEFORE {verbs} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION bank_saved()")
    op.execute("CREATE TRIGGER bank_version_once BEFORE UPDATE ON bank_version FOR EACH ROW EXECUTE FUNCTION bank_version_once()")
    op.execute("CREATE TRIGGER bank_item_late BEFORE INSERT ON bank_item FOR EACH ROW EXECUTE FUNCTION bank_item_late()")

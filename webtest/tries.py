"""Counting tries at the doors: five are free, each further one locks the name for a minute, two, four ...

A try is counted before it is checked, so that many at once are no way around the lock. Names that do not exist are counted like names that do,
so that neither the lock nor the time it takes tells them apart. The database holds a keyed hash of a name: no NIP, no user name.
"""

from sqlalchemy import Engine, text
from sqlmodel import Session as SqlSession
from sqlmodel import col, delete, update

from webtest.models import LoginTry
from webtest.refusal import Refused

FREE_TRIES = 5
LOCK_MS = 60_000
MOST_DOUBLINGS = 6
FORGOTTEN_AFTER_MS = 30 * 60_000
# One statement finds or makes the row and locks it: between two, a login that succeeds at the same instant may delete it.
LOCK_ROW = (
    "INSERT INTO login_try (who, failures, locked_until, forget_at) VALUES (:who, 0, 0, 0) "
    "ON CONFLICT (who) DO UPDATE SET who = excluded.who RETURNING failures, locked_until"
)


def count_try(engine: Engine, who: str, now: int) -> None:
    """Count a try for `who` (webtest.keys.name_hash). Raises Refused("locked"), with the seconds to wait, while the name is locked."""
    with SqlSession(engine.execution_options(write=True)) as sql, sql.begin():
        sql.exec(delete(LoginTry).where(col(LoginTry.forget_at) < now))
        failures, locked_until = sql.connection().execute(text(LOCK_ROW), {"who": who}).one()
        if locked_until > now:
            raise Refused("locked", retry_s=-(-(locked_until - now) // 1000))
        failures += 1
        if failures >= FREE_TRIES:
            locked_until = now + LOCK_MS * 2 ** min(failures - FREE_TRIES, MOST_DOUBLINGS)
        counted = {"failures": failures, "locked_until": locked_until, "forget_at": max(now, locked_until) + FORGOTTEN_AFTER_MS}
        sql.exec(update(LoginTry).where(col(LoginTry.who) == who).values(**counted))


def forget_tries(sql: SqlSession, *who: str) -> None:
    """The names are right after all (a login that succeeded, a new PIN): no try is held against them."""
    sql.exec(delete(LoginTry).where(col(LoginTry.who).in_(who)))

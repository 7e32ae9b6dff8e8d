"""Counting tries at the doors: five are free, each further one locks the name for a minute, two, four ...

A try is counted before it is checked, so that many at once are no way around the lock. Names that do not exist are counted like names that do,
so that neither the lock nor the time it takes tells them apart. The database holds a keyed hash of a name: no NIP, no user name.
"""

from sqlalchemy import Engine, text
from sqlmodel import Session as SqlSession
from sqlmodel import col, delete

from webtest.models import LoginTry
from webtest.refusal import Refused

FREE_TRIES = 5
LOCK_MS = 60_000
MOST_DOUBLINGS = 6
FORGOTTEN_AFTER_MS = 30 * 60_000
FIRST_TRY = "INSERT INTO login_try (who, failures, locked_until, forget_at) VALUES (:who, 0, 0, 0) ON CONFLICT DO NOTHING"


def count_try(engine: Engine, who: str, now: int) -> None:
    """Count a try for `who` (webtest.keys.name_hash). Raises Refused("locked"), with the seconds to wait, while the name is locked."""
    with SqlSession(engine.execution_options(write=True)) as sql, sql.begin():
        sql.exec(delete(LoginTry).where(col(LoginTry.forget_at) < now))
        sql.connection().execute(text(FIRST_TRY), {"who": who})
        row = sql.get_one(LoginTry, who, with_for_update=True)
        if row.locked_until > now:
            raise Refused("locked", retry_s=-(-(row.locked_until - now) // 1000))
        row.failures += 1
        if row.failures >= FREE_TRIES:
            row.locked_until = now + LOCK_MS * 2 ** min(row.failures - FREE_TRIES, MOST_DOUBLINGS)
        row.forget_at = max(now, row.locked_until) + FORGOTTEN_AFTER_MS
        sql.add(row)


def forget_tries(sql: SqlSession, *who: str) -> None:
    """The names are right after all (a login that succeeded, a new PIN): no try is held against them."""
    sql.exec(delete(LoginTry).where(col(LoginTry.who).in_(who)))

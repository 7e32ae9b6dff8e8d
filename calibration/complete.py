"""Answers that everybody gave to every item: what statistics by total score or by pairs of items stand on."""

from cat_engine import Fault, Faulty
from cat_engine.irt import Ints


def require_complete(scores: Ints, what: str) -> None:
    """Raises Faulty where scores[P, I] have a hole (-1): `what` needs a form that everybody took whole."""
    if scores.size == 0 or (scores < 0).any():
        raise Faulty([Fault("answers", "", "are incomplete or routed", f"{what} needs a form that everybody took whole")])

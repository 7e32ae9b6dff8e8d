"""Virtual test-takers. Each has true abilities and a pace of its own, knows an item by its text (ids, keys and parameters never reach a browser),
and answers by the bank's model.
"""

import html
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cat_engine import probabilities
from itembank.bank import Bank, ItemContent
from webtest.rehearsal import RehearsalError
from webtest.roster import RosterRow

MEAN_OF_LEVEL = {"jpt_pratama": 0.9, "administrator": 0.5, "pengawas": 0.1, "fungsional": 0.1, "pelaksana": -0.5}


CORRELATION = 0.6


PACE_SD = 0.3  # of the logarithm of a person's median think time


SCENARIO = re.compile(r'<p class="scenario">(.*?)</p>', re.S)


QUESTION = re.compile(r'<legend class="question">(.*?)</legend>', re.S)


OPTION = re.compile(r'<span class="letter">[A-E]</span><span>(.*?)</span>', re.S)


@dataclass(slots=True)
class Taker:
    """One virtual test-taker, and what happened to it."""

    row: RosterRow
    theta: Mapping[str, float]
    pace: float
    rng: random.Random
    pin: str = ""
    acknowledged: list[tuple[str, int]] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    state: str = "expected"
    fault: str = ""


def draw_takers(roster: Sequence[RosterRow], competencies: Sequence[str], seed: int) -> list[Taker]:
    """People with true abilities: Normal around the mean of their job level, competencies correlated at CORRELATION."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=len(roster))
    own = rng.normal(size=(len(roster), len(competencies)))
    takers = []
    for i, row in enumerate(roster):
        theta = MEAN_OF_LEVEL.get(row.job_level, 0.0) + np.sqrt(CORRELATION) * common[i] + np.sqrt(1 - CORRELATION) * own[i]
        pace = float(np.exp(PACE_SD * np.clip(rng.normal(), -2, 2)))  # nobody so slow that the rest of the room waits for one
        takers.append(Taker(row, dict(zip(competencies, theta.tolist(), strict=True)), pace, random.Random(f"{seed}-{i}")))
    return takers


class Brain:
    """How virtual people answer: an item is recognised by its text, a category drawn from the bank's model, and an option of it chosen."""

    def __init__(self, bank: Bank, contents: Mapping[str, ItemContent]) -> None:
        self.bank = bank
        self._by_text = {self._signature(c.scenario, c.question, c.options[0].text): c for c in contents.values()}

    @staticmethod
    def _signature(*texts: str) -> str:
        return "|".join(" ".join(text.split()) for text in texts)

    def recognise(self, page: str) -> ItemContent:
        """The item on a page."""
        found = (SCENARIO.search(page), QUESTION.search(page), OPTION.search(page))
        content = self._by_text.get(self._signature(*(html.unescape(m.group(1)) if m else "" for m in found)))
        if content is None:
            raise RehearsalError("a page shows an item that is not in the bank given; name the server's bank with --bank")
        return content

    def choose(self, content: ItemContent, theta: Mapping[str, float], rng: random.Random) -> int:
        """The option that a person of ability theta takes."""
        i = self.bank.index[content.item_id]
        p = probabilities(self.bank.params.take([i]), theta[content.competency])[0, 0]
        category = rng.choices(range(content.n_cat), weights=p[: content.n_cat].tolist())[0]
        return rng.choice([k for k, own in enumerate(content.categories) if own == category])

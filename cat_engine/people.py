"""Who sits a simulation, and the random numbers behind each person's answers, times and decisions: nobody's depend on who else is simulated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cat_engine.families import Floats, Ints
from cat_engine.priors import NormalPrior

SHEET = 64  # people whose random numbers come from one generator
CLOCK = 1  # marks the numbers behind people's times apart from those behind their answers
UNSCORED = 2  # and those behind answers to pretest items


def attempt_seed(seed: int, person: int) -> int:
    """The attempt seed of a simulated person: depends on nothing but the two numbers, so blocks of people can run anywhere."""
    return int(np.random.SeedSequence([seed, person]).generate_state(1, np.uint64)[0] >> np.uint64(11))


def uniforms(seed: int, number: Ints, length: int) -> Floats:
    """The uniform numbers behind the answers of the people of number[N]: [N, length]. They come in sheets of SHEET people. The third number keeps
    them apart from a caller's default_rng(seed), which [seed, 0] would be.
    """
    return _in_sheets(number, lambda sheet: np.random.default_rng([seed, sheet, SHEET]).random((SHEET, length)))


def normals(seed: int, number: Ints, length: int) -> Floats:
    """The standard normal numbers behind their times: [N, length], in the same way."""
    return _in_sheets(number, lambda sheet: np.random.default_rng([seed, sheet, SHEET, CLOCK]).standard_normal((SHEET, length)))


def unscored_uniforms(seed: int, number: Ints, length: int) -> Floats:
    """The uniform numbers behind their answers to pretest items: [N, length], in the same way."""
    return _in_sheets(number, lambda sheet: np.random.default_rng([seed, sheet, SHEET, UNSCORED]).random((SHEET, length)))


def _in_sheets(number: Ints, draw: Callable[[int], Floats]) -> Floats:
    sheets, place = np.unique(number // SHEET, return_inverse=True)
    drawn = np.concatenate([draw(sheet) for sheet in sheets.tolist()])
    return np.asarray(drawn[place * SHEET + number % SHEET])


@dataclass(frozen=True, slots=True, eq=False)
class Seeds(Sequence[int]):
    """The attempt seeds of the people of number[N], each worked out when it is asked for: most plans draw nothing."""

    seed: int
    number: Ints
    found: dict[int, int]

    def __len__(self) -> int:
        return len(self.number)

    def __getitem__(self, i: Any) -> Any:
        if not 0 <= i < len(self.number):  # else iterating over them would never end
            raise IndexError(i)
        if i not in self.found:
            self.found[i] = attempt_seed(self.seed, int(self.number[i]))
        return self.found[i]


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """N test-takers, numbered from `first`: true abilities true[N, S]; tau[N], their speeds, where the trial has times; answers[N, I], real ones
    (a category, -1 = never answered), which are then replayed: nobody is simulated, and a person is given only items that he or she answered.
    seeds[N], of attempts that were taken (default: from the trial's seed), and seen[N, I], items met in earlier tests. priors[N]: where each starts
    (None: at the plan's prior). numbers[N], where they do not follow each other.
    """

    true: Floats
    tau: Floats | None = None
    answers: Ints | None = None
    first: int = 0
    seeds: tuple[int, ...] | None = None
    seen: NDArray[np.bool_] | None = None
    priors: tuple[NormalPrior | None, ...] | None = None
    numbers: Ints | None = None

    def __len__(self) -> int:
        return len(self.true)

    @property
    def number(self) -> Ints:
        """By which each person is told from the others, [N]."""
        return np.arange(self.first, self.first + len(self)) if self.numbers is None else self.numbers

    def part(self, at: int, n: int) -> "People":
        """n people from the at-th."""
        here = slice(at, at + n)
        seeds, priors = None if self.seeds is None else self.seeds[here], None if self.priors is None else self.priors[here]
        return People(*self._arrays(here), self.first + at, seeds, None if self.seen is None else self.seen[here], priors)

    def by_prior(self) -> "list[tuple[NormalPrior | None, Ints, People]]":
        """Those who start at the same prior together: the prior, which of the people (ascending), and these alone."""
        if self.priors is None or len(set(self.priors)) == 1:
            return [(None if self.priors is None else self.priors[0], np.arange(len(self)), self)]
        rows: dict[NormalPrior | None, list[int]] = {}
        for n, prior in enumerate(self.priors):
            rows.setdefault(prior, []).append(n)
        return [(prior, np.array(own), self._only(np.array(own))) for prior, own in rows.items()]

    def _only(self, rows: Ints) -> "People":
        seeds = None if self.seeds is None else tuple(self.seeds[n] for n in rows.tolist())
        return People(*self._arrays(rows), 0, seeds, None if self.seen is None else self.seen[rows], None, self.number[rows])

    def _arrays(self, rows: slice | Ints) -> tuple[Floats, Floats | None, Ints | None]:
        return self.true[rows], None if self.tau is None else self.tau[rows], None if self.answers is None else self.answers[rows]

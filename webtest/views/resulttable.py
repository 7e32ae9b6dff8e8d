"""Results as a reader asks for them: filters in the URL, counts by job level, and which placements are uncertain. Pure."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from webtest.figures import SURE
from webtest.services.results import VALID_YEARS, Profile, WaveResults


@dataclass(frozen=True, slots=True)
class Wanted:
    """The reader's filters, as they stand in the URL; "" and None are everybody."""

    job_level: str = ""
    unit: str = ""
    box: int | None = None
    category: int | None = None
    doubtful: bool = False

    @classmethod
    def of(cls, values: Mapping[str, str]) -> "Wanted":
        """From a query; a number that is none means everybody."""

        def whole(name: str) -> int | None:
            return int(values[name]) if values.get(name, "").isdecimal() else None

        return cls(values.get("jenjang", ""), values.get("unit", ""), whole("kotak"), whole("kategori"), values.get("pasti") == "belum")

    def query(self, **changed: str) -> str:
        """The query string of this choice with some of it changed."""
        now = {
            "jenjang": self.job_level, "unit": self.unit, "kotak": "" if self.box is None else str(self.box),
            "kategori": "" if self.category is None else str(self.category), "pasti": "belum" if self.doubtful else "", **changed,
        }  # fmt: skip
        return "?" + urlencode({name: value for name, value in now.items() if value})


def unsure(p: Profile) -> bool:
    """Whether the category or the box of a person has a probability below SURE."""
    return (p.match is not None and p.match.probabilities[p.match.category] < SURE) or (
        p.box is not None and p.box.probabilities[p.box.box - 1] < SURE
    )


def chosen(view: WaveResults, wanted: Wanted) -> list[Profile]:
    """The people who fit, by name."""
    return [
        p
        for p in view.profiles
        if wanted.job_level in ("", p.job_level)
        and wanted.unit in ("", p.unit)
        and (wanted.box is None or (p.box is not None and p.box.box == wanted.box))
        and (wanted.category is None or (p.match is not None and p.match.category == wanted.category))
        and (not wanted.doubtful or unsure(p))
    ]


@dataclass(frozen=True, slots=True)
class Group:
    """A job level of the wave: people, how many in each category, mean JPM, how many are uncertain."""

    job_level: str
    people: int
    categories: tuple[int, ...]
    jpm: float
    doubtful: int


def by_job_level(view: WaveResults) -> list[Group]:
    """One line a job level, the largest first."""
    groups: dict[str, list[Profile]] = {}
    for p in view.profiles:
        if p.match is not None:
            groups.setdefault(p.job_level, []).append(p)
    lines = []
    for level, people in groups.items():
        counts = tuple(sum(p.match is not None and p.match.category == k for p in people) for k in range(len(view.norms.category_names)))
        mean = sum(p.match.jpm for p in people if p.match is not None) / len(people)
        lines.append(Group(level, len(people), counts, mean, sum(unsure(p) for p in people)))
    return sorted(lines, key=lambda g: -g.people)


def valid_until(day: str) -> str:
    """The last day on which a result of `day` (YYYY-MM-DD) holds; '' where `day` is no date."""
    try:
        date = dt.date.fromisoformat(day)
        return (
            date.replace(year=date.year + VALID_YEARS).isoformat()
            if (date.month, date.day) != (2, 29)
            else f"{date.year + VALID_YEARS}-02-28"
        )
    except ValueError:
        return ""

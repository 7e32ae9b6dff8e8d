"""The sample bank that ships with CACT: items as TOML, provisional parameters by a documented rule, a test plan.

Nobody has answered these items yet, so their parameters follow from what the authors say of each item and from nothing else:

    graded (situational):  boundary between adjacent distinct scores s < t:  b = 0.60 (level - 3) + 0.90 ((s + t)/2 - 3)
                           a = 1.10 + 0.10 (distinct scores - 3) + 0.05 (options - 4) + 0.04 * score spread, +-0.10 by level parity
    right/wrong:           3PL with b = 0.70 (level - 3), c = 0.9 / options, a by kind (see A_OF_KIND)

Everything is marked "provisional" until a calibration replaces it.
"""

import tomllib
from importlib import resources
from itertools import pairwise

from cat_engine import ItemParams, Row
from itembank.bank import Bank, ItemContent

A_OF_KIND = {"deret_angka": 1.4, "analogi_verbal": 1.1, "silogisme": 1.2, "membaca_tabel": 1.3}


def provisional_row(content: ItemContent, scale: int) -> Row:
    """Parameters of an item that nobody has answered, by the rule of this module."""
    if content.kind in A_OF_KIND:
        return Row("3pl", A_OF_KIND[content.kind], [0.7 * (content.level - 3)], round(0.9 / len(content.options), 4), 1.0, scale)
    scores = sorted({option.score for option in content.options})
    b = [round(0.60 * (content.level - 3) + 0.90 * ((s + t) / 2 - 3), 4) for s, t in pairwise(scores)]
    a = 1.10 + 0.10 * (len(scores) - 3) + 0.05 * (len(content.options) - 4) + 0.04 * (scores[-1] - scores[0])
    a += 0.10 if content.level % 2 else -0.10
    return Row("grm", round(a, 4), b, scale=scale)


def load_contents() -> list[ItemContent]:
    """Every shipped item, by file name and in file order."""
    folder = resources.files(__package__) / "items"
    contents = []
    for path in sorted(folder.iterdir(), key=lambda p: p.name):
        if path.name.endswith(".toml"):
            document = tomllib.loads(path.read_text(encoding="utf-8"))
            contents += [
                ItemContent.from_table(
                    {
                        "competency": document["competency"],
                        "kind": "situasional",
                        **{("item_id" if key == "id" else key): value for key, value in item.items()},
                    }
                )
                for item in document["items"]
            ]
    return contents


def load_demo() -> tuple[Bank, dict[str, ItemContent]]:
    """The sample bank (not yet saved) and its content."""
    contents = load_contents()
    competencies = tuple(dict.fromkeys(content.competency for content in contents))
    rows = [provisional_row(content, competencies.index(content.competency)) for content in contents]
    count = len(contents)
    bank = Bank(
        tuple(content.item_id for content in contents),
        ItemParams.from_rows(rows),
        competencies,
        ("active",) * count,
        ("provisional",) * count,
        tuple(content.digest for content in contents),
        tuple({"level": str(c.level), "job_level": c.job_level, "kind": c.kind} for c in contents),
    )
    return bank, {content.item_id: content for content in contents}


def plan_text() -> str:
    """The shipped test plan, as TOML."""
    return (resources.files(__package__) / "plan.toml").read_text(encoding="utf-8")

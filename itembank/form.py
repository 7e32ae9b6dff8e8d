"""Rules of form for item content: what a machine can check before a person reads. Pure; used by the bank check and by the tests."""

from collections import Counter
from collections.abc import Sequence

from cat_engine import Fault
from itembank.bank import ItemContent

JOB_LEVELS = ("pelaksana", "fungsional", "pengawas", "administrator", "jpt_pratama", "umum")
LONGEST_SHARE = 0.35
SHORTEST_SHARE = 0.5
POSITION_SHARE = 0.36


def item_faults(content: ItemContent) -> list[Fault]:
    """Faults of one item: length of the scenario, number and scores of the options, level, rationale."""
    faults = []

    def say(field: str, message: str, remedy: str = "") -> None:
        faults.append(Fault(content.item_id, field, message, remedy))

    scores = [option.score for option in content.options]
    if len(content.options) not in (4, 5):
        say("options", f"{len(content.options)} options", "4 or 5")
    if not content.options:
        return faults
    if len({option.text for option in content.options}) < len(content.options):
        say("options", "an option stands twice")
    if content.kind == "situasional":
        words = len(content.scenario.split())
        if not 40 <= words <= 90:
            say("scenario", f"{words} words", "40 to 90")
        if not set(scores) <= {1, 2, 3, 4, 5} or len(set(scores)) < 3:
            say("options", f"scores {scores}", "scores from 1 to 5, at least three different ones")
        if scores.count(max(scores)) != 1:
            say("options", "no single best option")
    elif sorted(scores) != [0] * (len(scores) - 1) + [1]:
        say("options", f"scores {scores}", "exactly one right option (1), the others 0")
    if content.level not in range(1, 6):
        say("level", f"level {content.level}", "1 to 5")
    if content.job_level not in JOB_LEVELS:
        say("job_level", f"'{content.job_level}'", "one of " + ", ".join(JOB_LEVELS))
    for field in ("question", "rationale", "scenario"):
        if not getattr(content, field).strip():
            say(field, "is empty")
    return faults


def set_faults(contents: Sequence[ItemContent]) -> list[Fault]:
    """Faults that only the set shows: a scenario twice; within a competency, a best option too often longest, shortest or in one place."""
    faults = []
    seen: dict[str, str] = {}
    for content in contents:
        key = " ".join(f"{content.scenario} {content.question} {content.table}".lower().split())
        if key in seen:
            faults.append(Fault(content.item_id, "scenario", f"is that of {seen[key]}"))
        seen[key] = content.item_id
    for competency in sorted({content.competency for content in contents}):
        faults += _giveaways(competency, [c for c in contents if c.competency == competency])
    return faults


def _giveaways(competency: str, contents: Sequence[ItemContent]) -> list[Fault]:
    places: Counter[int] = Counter()
    longest = shortest = 0
    for content in contents:
        best = max(range(len(content.options)), key=lambda k: content.options[k].score)
        lengths = [len(option.text) for option in content.options]
        places[best] += 1
        longest += lengths[best] == max(lengths) and lengths.count(max(lengths)) == 1
        shortest += lengths[best] == min(lengths) and lengths.count(min(lengths)) == 1
    faults = []
    for word, found, share in (("longest", longest, LONGEST_SHARE), ("shortest", shortest, SHORTEST_SHARE)):
        if found > share * len(contents):
            message = f"the best option is the {word} in {found} of {len(contents)} items"
            faults.append(Fault(competency, "options", message, "even out the lengths of the options"))
    place, count = places.most_common(1)[0]
    if len(contents) >= 8 and count > POSITION_SHARE * len(contents):
        faults.append(
            Fault(competency, "options", f"the best option stands in place {place + 1} in {count} of {len(contents)} items", "move it")
        )
    return faults

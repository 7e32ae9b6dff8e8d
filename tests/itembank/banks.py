"""Banks for the tests: a small one written out, and any that a file can hold, for hypothesis."""

from dataclasses import replace

from hypothesis import strategies as st

from cat_engine import MODELS, ItemParams, Row
from itembank.bank import CALIBRATIONS, STATUSES, Bank, ItemContent, Option
from itembank.rows import LARGEST, is_parameter, name_fault, parameter_meant


def content(item_id: str = "A-1", competency: str = "A", scores: tuple[int, ...] = (1, 3, 5, 2), level: int = 3) -> ItemContent:
    """A situational item whose form is in order."""
    return ItemContent(
        item_id, competency, "pelaksana", level, "situasional", f"Kejadian {item_id}. " + "Kata lain di sini. " * 10, "Apa tindakan Anda?",
        tuple(Option(f"Tindakan {k}", score) for k, score in enumerate(scores)), "Karena demikian.",
    )  # fmt: skip


def small() -> tuple[Bank, dict[str, ItemContent]]:
    """Two graded items of A, one 3PL of B, with text."""
    rows = [Row("grm", 1.2, [-1.0, 0.0, 1.0]), Row("grm", 0.9, [-0.5, 0.5, 1.5]), Row("3pl", 1.4, [0.25], 0.2, 1.0, 1)]
    right_wrong = replace(content("B-1", "B", (0, 1, 0, 0)), kind="silogisme", job_level="umum")
    texts = {item.item_id: item for item in (content("A-1"), content("A-2"), right_wrong)}
    bank = Bank(
        tuple(texts), ItemParams.from_rows(rows), ("A", "B"), ("active",) * 3, ("provisional",) * 3,
        tuple(item.digest for item in texts.values()), ({"source": "x"}, {}, {}),
    )  # fmt: skip
    return bank, texts


def _stripped(text: str) -> bool:
    return bool(text) and text == text.strip()


writable = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12).filter(_stripped)
names = writable.filter(lambda text: name_fault(text) is None and not text.startswith("\ufeff"))
attribute_names = writable.filter(lambda text: not is_parameter(text) and parameter_meant(text) is None)
numbers = st.floats(-LARGEST, LARGEST)
slopes = st.floats(0, LARGEST, exclude_min=True)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """Parameters of any model, with any numbers that the model allows."""
    model = draw(st.sampled_from(MODELS))
    if model == "nrm":
        own = draw(st.lists(numbers, min_size=1, max_size=5).filter(any))
        return Row(model, 1.0, draw(st.lists(numbers, min_size=len(own), max_size=len(own))), slopes=own)
    if model in ("gpcm", "pcm", "rsm"):
        return Row(model, draw(slopes), draw(st.lists(numbers, min_size=1, max_size=5)))
    if model in ("grm", "mgrm"):
        return Row(model, draw(slopes), sorted(draw(st.sets(numbers, min_size=1, max_size=5))))
    c = draw(st.floats(0, 0.9)) if model in ("3pl", "4pl") else 0.0
    d = draw(st.floats(c, 1, exclude_min=True)) if model == "4pl" else 1.0
    return Row(model, draw(slopes), [draw(numbers)], c, d)


@st.composite
def texts(draw: st.DrawFn, item_id: str, competency: str) -> ItemContent:
    """Content of any words; its key need not fit the parameters, and its form need not be in order."""
    word = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
    options = draw(st.lists(st.tuples(word, st.integers(-3, 9)), min_size=2, max_size=5))
    table = draw(st.lists(st.lists(word, max_size=3).map(tuple), max_size=2).map(tuple))
    return ItemContent(
        item_id, competency, draw(word), draw(st.integers()), draw(word), draw(word), draw(word),
        tuple(Option(text, score) for text, score in options), draw(word), table, draw(word),
    )  # fmt: skip


@st.composite
def banks(draw: st.DrawFn) -> tuple[Bank, dict[str, ItemContent]]:
    """Any bank that a file can hold, with content for some of its items; competencies stand in the order in which the items name them."""
    ids = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    codes = [draw(st.sampled_from(draw(st.lists(names, min_size=1, max_size=3)))) for _ in ids]
    competencies = tuple(dict.fromkeys(codes))
    contents = {i: draw(texts(i, code)) for i, code in zip(ids, codes, strict=True) if draw(st.booleans())}
    bank = Bank(
        tuple(ids),
        ItemParams.from_rows([draw(rows())._replace(scale=competencies.index(code)) for code in codes]),
        competencies,
        tuple(draw(st.sampled_from(STATUSES)) for _ in ids),
        tuple(draw(st.sampled_from(CALIBRATIONS)) for _ in ids),
        tuple(contents[i].digest if i in contents else None for i in ids),
        tuple(draw(st.dictionaries(attribute_names, writable, max_size=2)) for _ in ids),
    )
    return bank, contents

"""The chain of events: every single change is found and named; the Merkle root depends on every leaf and on their order."""

import hashlib
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webtest.conftest import verify
from webtest.events import GENESIS, Entry, Kind, SessionEvent, StoredEvent, canonical, chain, merkle_root, read_chain

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ENTRIES = st.lists(
    st.builds(Entry, st.sampled_from(list(Kind)), st.dictionaries(st.text(max_size=6), VALUES, max_size=4)), min_size=1, max_size=6
)


def linked(entries: list[Entry]) -> list[SessionEvent]:
    return list(chain("A1", 0, GENESIS, 1_000, "taker", entries))


def three() -> list[SessionEvent]:
    return linked([Entry(Kind.NOTED, {"text": text}) for text in ("a", "b", "c")])


@given(ENTRIES)
def test_what_was_chained_verifies(entries: list[Entry]) -> None:
    assert verify(linked(entries)) is None


@given(ENTRIES, st.integers(1, 5))
def test_a_chain_written_in_two_parts_is_the_chain_written_at_once(entries: list[Entry], cut: int) -> None:
    first = chain("A1", 0, GENESIS, 1_000, "taker", entries[:cut])
    last = first[-1]
    assert [*first, *chain("A1", last.seq + 1, last.hash, 1_000, "taker", entries[cut:])] == linked(entries)


CHANGED = {
    "attempt": "A2", "kind": Kind.VOIDED, "at": 1_001, "actor": "user:1", "payload": {"text": "B"}, "hash": "f" * 64, "prev_hash": "e" * 64, "seq": 7,
}  # fmt: skip


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("name", [field.name for field in fields(SessionEvent)])
def test_a_change_of_any_single_field_is_found_at_its_event(name: str, place: int) -> None:
    events = three()
    events[place] = replace(events[place], **{name: CHANGED[name]})
    found = verify(events)
    assert found is not None
    assert found.seq == place


@given(ENTRIES.filter(lambda e: len(e) > 2), st.data())
def test_a_missing_a_doubled_and_a_swapped_event_are_found_where_they_are(entries: list[Entry], data: st.DataObject) -> None:
    events = linked(entries)
    at = data.draw(st.integers(0, len(events) - 2))
    for broken in (
        events[:at] + events[at + 1 :],
        [*events[: at + 1], *events[at:]],
        [*events[:at], events[at + 1], events[at], *events[at + 2 :]],
    ):
        found = verify(broken)
        assert found is not None
        assert found.seq in (at, at + 1)


def test_a_chain_alone_cannot_show_that_its_tail_is_gone() -> None:
    assert verify(three()[:2]) is None


def test_a_payload_text_that_reads_the_same_but_is_not_the_text_that_was_hashed_is_found() -> None:
    rows = [StoredEvent(e.attempt, e.seq, e.kind, e.at, e.actor, canonical(e.payload), e.prev_hash, e.hash) for e in three()]
    rows[1] = rows[1]._replace(payload='{"text": "b"}')
    events, broken = read_chain(rows)
    assert broken is not None
    assert (broken.seq, len(events)) == (1, 1)


def test_a_payload_that_is_no_json_any_more_is_named_not_raised() -> None:
    rows = [StoredEvent(e.attempt, e.seq, e.kind, e.at, e.actor, canonical(e.payload), e.prev_hash, e.hash) for e in three()]
    rows[2] = rows[2]._replace(payload='{"text"�"c"}')
    _events, broken = read_chain(rows)
    assert broken is not None
    assert "does not match its hash" in broken.why


@given(st.dictionaries(st.text(max_size=6), VALUES, max_size=5))
def test_canonical_text_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    assert canonical(value) == canonical(dict(reversed(value.items())))


def test_canonical_text_refuses_what_json_cannot_say() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical({"theta": float("nan")})


LEAVES = st.lists(st.binary(min_size=32, max_size=32).map(bytes.hex), min_size=1, max_size=9)


@given(LEAVES, st.data())
def test_the_merkle_root_depends_on_every_leaf(leaves: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(leaves) - 1))
    other = hashlib.sha256(leaves[at].encode()).hexdigest()
    assert merkle_root([*leaves[:at], other, *leaves[at + 1 :]]) != merkle_root(leaves)


@given(LEAVES)
def test_the_merkle_root_depends_on_the_number_of_leaves(leaves: list[str]) -> None:
    assert merkle_root([*leaves, leaves[-1]]) != merkle_root(leaves)


def test_merkle_roots_worked_by_hand() -> None:
    a, b, c = (hashlib.sha256(x).hexdigest() for x in (b"a", b"b", b"c"))

    def leaf(x: str) -> bytes:
        return hashlib.sha256(b"\x00" + bytes.fromhex(x)).digest()

    pair = hashlib.sha256(b"\x01" + leaf(a) + leaf(b)).digest()
    assert merkle_root([]) == GENESIS
    assert merkle_root([a]) == leaf(a).hex()
    assert merkle_root([a, b]) == pair.hex()
    assert merkle_root([a, b, c]) == hashlib.sha256(b"\x01" + pair + leaf(c)).hexdigest()

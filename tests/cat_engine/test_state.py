"""The fold over engine events: what fits, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cat_engine import Answered, EngineRefusal, Presented, SectionEnded, State, Stopped, fold, start, tell
from cat_engine.state import Event

EVENTS = st.one_of(
    st.builds(Presented, st.integers(0, 6)),
    st.builds(Answered, st.integers(0, 4), st.floats(0, 600)),
    st.builds(SectionEnded, st.sampled_from(["precision", "length", "time"])),
    st.builds(Stopped, st.just("proctor")),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Any order of events, less those that are refused on the way."""
    state, taken = start(1), []
    for event in draw(st.lists(EVENTS, max_size=25)):
        try:
            state = tell(state, event)
        except EngineRefusal:
            continue
        taken.append(event)
    return taken


@given(histories(), st.data())
def test_the_fold_is_prefix_stable(events: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(events)))
    state = fold(1, events[:cut])
    for event in events[cut:]:
        state = tell(state, event)
    assert state == fold(1, events)


@given(histories())
def test_no_history_shows_an_item_twice_or_loses_an_answer(events: list[Event]) -> None:
    state = fold(1, events)
    shown = [event.item for event in events if isinstance(event, Presented)]
    assert len(shown) == len(set(shown))
    assert len(state.items) == len(state.categories) == len(state.rt_s) == sum(isinstance(event, Answered) for event in events)
    assert list(state.section_starts) == sorted(state.section_starts)
    assert len(state.section_starts) == state.section + 1 == len(state.ended) + 1


def test_a_test_runs_from_its_first_item_to_its_end() -> None:
    events = [Presented(4), Answered(2, 31.5), Presented(1), Answered(0, 12.0), SectionEnded("length"), Presented(7), Stopped("proctor")]
    assert fold(9, events) == State(
        seed=9, items=(4, 1), categories=(2, 0), rt_s=(31.5, 12.0), section=1, section_starts=(0, 2), stopped="proctor", ended=("length",)
    )


def test_an_answer_to_nothing_is_refused() -> None:
    with pytest.raises(EngineRefusal, match="no item is pending"):
        tell(start(1), Answered(0, 1.0))


def test_a_second_answer_to_one_item_is_refused() -> None:
    state = fold(1, [Presented(0), Answered(1, 1.0)])
    with pytest.raises(EngineRefusal, match="no item is pending"):
        tell(state, Answered(0, 1.0))


def test_presenting_while_an_item_is_pending_is_refused() -> None:
    with pytest.raises(EngineRefusal, match="still pending"):
        fold(1, [Presented(0), Presented(1)])


def test_an_item_is_never_presented_twice() -> None:
    with pytest.raises(EngineRefusal, match="already given"):
        fold(1, [Presented(0), Answered(1, 1.0), Presented(0)])


def test_an_item_dropped_at_the_end_of_a_section_is_not_scored_and_never_presented_again() -> None:
    state = fold(1, [Presented(3), SectionEnded("time")])
    assert (state.items, state.pending, state.dropped) == ((), None, (3,))
    with pytest.raises(EngineRefusal, match="already given"):
        tell(state, Presented(3))


@pytest.mark.parametrize("event", [Presented(1), Answered(0, 1.0), SectionEnded("time"), Stopped("again")])
def test_anything_after_the_end_is_refused(event: Event) -> None:
    with pytest.raises(EngineRefusal, match="the test is over"):
        fold(1, [Presented(0), Stopped("proctor"), event])


@pytest.mark.parametrize("event", [Answered(-1, 1.0), Answered(0, -1.0), Answered(0, float("nan")), Answered(0, float("inf"))])
def test_an_answer_that_cannot_be_is_refused(event: Event) -> None:
    with pytest.raises(EngineRefusal):
        fold(1, [Presented(0), event])


def test_an_item_below_zero_is_refused() -> None:
    with pytest.raises(EngineRefusal, match="not an item"):
        tell(start(1), Presented(-1))


def test_a_refusal_leaves_the_state_as_it_was() -> None:
    state = fold(1, [Presented(0)])
    with pytest.raises(EngineRefusal):
        tell(state, Presented(1))
    assert state == fold(1, [Presented(0)])


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        start(-1)

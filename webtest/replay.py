"""Asking the engine again for every decision of one attempt: same item on the same grounds, same theta and SE, same category from the same choice, in time."""

from collections.abc import Sequence
from dataclasses import dataclass

from cat_engine import Decision, EndSection, Estimate, Present, State, Stop
from webtest.catalog import Kit
from webtest.events import Kind, SessionEvent
from webtest.session import Phase, Session, begin, fold

TOLERANCE = 1e-9
COUNTED = (Phase.RUNNING, Phase.GRACE)
OVER = (Phase.GRACE, Phase.TIME_UP)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold: in which stream, at which event (-1: no event in particular), and what."""

    stream: str
    seq: int
    what: str


class _Engine:
    """What the engine says of one attempt. The last state is kept: that after an answer is the one that the next decision is made on."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self._last: tuple[State, tuple[Decision, Estimate]] | None = None

    def look(self, session: Session) -> tuple[Decision, Estimate]:
        """The decision and the abilities there. Raises EngineRefusal where the state cannot be of the kit's pool."""
        if self._last is None or self._last[0] is not session.engine:
            self._last = session.engine, self.kit.look(session, session.engine)
        return self._last[1]


def replay(kit: Kit, events: Sequence[SessionEvent]) -> tuple[int, list[Finding]]:
    """How many items were asked for again in one attempt's events (a sound chain), and what was found."""
    decisions, findings = 0, []
    session, engine = begin(events[0].attempt), _Engine(kit)
    for event in events:
        try:
            before, session = session, fold(session, [event])
            findings += [Finding(event.attempt, event.seq, what) for what in _faults(engine, before, session, event)]
        except (ValueError, KeyError, IndexError, TypeError) as error:  # the engine's refusals are ValueErrors
            findings.append(Finding(event.attempt, event.seq, f"this '{event.kind}' event does not follow: {error}"))
            break
        decisions += event.kind == Kind.PRESENTED
    return decisions, findings


def _faults(engine: _Engine, before: Session, after: Session, event: SessionEvent) -> list[str]:
    match event.kind:
        case Kind.ASSIGNED:
            return _assigned(engine.kit, after)
        case Kind.PRESENTED:
            return _presented(engine, before, event)
        case Kind.ANSWERED:
            return _answered(engine, before, after, event)
        case Kind.SECTION_ENDED:
            return _section_ended(engine, before, event)
        case Kind.FINISHED:
            return _finished(engine, before, event)
        case _:
            return []


def _assigned(kit: Kit, after: Session) -> list[str]:
    """The prior at which the test starts is the group's, or, where the plan lets it be, one that the roster brought for the person."""
    starts = kit.plan.starts
    if after.prior == starts.of(after.terms.get("job_level", "")) or (starts.person and after.prior is not None):
        return []
    return [f"starts at {after.prior}, which is not the prior of its group"]


def _presented(engine: _Engine, before: Session, event: SessionEvent) -> list[str]:
    p, ids, (decision, _) = event.payload, engine.kit.pool.ids, engine.look(before)
    if not isinstance(decision, Present):
        return [f"the engine would have ended the section, the log presents {p['item_id']}"]
    faults = []
    if ids[decision.item] != p["item_id"]:
        faults.append(f"the engine gives {ids[decision.item]}, the log {p['item_id']}")
    elif decision.item != p["item"]:
        faults.append(f"{p['item_id']} is item {decision.item} of the pool, in the log {p['item']}")
    evidence = decision.evidence
    for name, said in (("theta", "theta before the item"), ("se", "SE before the item"), ("info", "the information of the item")):
        faults += _number_faults(getattr(evidence, name), p[name], said)
    if evidence.n_eligible != p["n_eligible"]:
        faults.append(f"the engine chooses out of {evidence.n_eligible} items, the log out of {p['n_eligible']}")
    if evidence.rung != p["rung"]:
        faults.append(f"the engine gives the item on the rung '{evidence.rung}', the log on '{p['rung']}'")
    if decision.section != p["section"]:
        faults.append(f"the item is of section {decision.section}, in the log of {p['section']}")
    if p.get("why", evidence.why) != evidence.why:  # an older log does not say why
        faults.append(f"the engine gives the item as '{evidence.why}', the log as '{p['why']}'")
    return faults


def _answered(engine: _Engine, before: Session, after: Session, event: SessionEvent) -> list[str]:
    p, kit, shown = event.payload, engine.kit, before.shown
    if shown is None or shown.item_id != p["item_id"] or shown.seq != p["presented_seq"]:
        return [f"answers {p['item_id']}, which was not on the screen"]
    faults = []
    if kit.contents[p["item_id"]].categories[p["choice"]] != p["category"]:
        faults.append("the category does not follow from the choice and the key")
    if kit.clock(event.at, before).phase not in COUNTED:
        faults.append("was taken when the clock did not run")
    (_, found), scale = engine.look(after), kit.pool.params.scale[shown.item]
    if p["rt_ms"] != (took := before.answering_ms(event.at)):
        faults.append(f"the answer took {took} ms, the log says {p['rt_ms']}")
    faults += _number_faults(float(found.theta[scale]), p["theta"], "theta after the answer")
    return [*faults, *_number_faults(float(found.se[scale]), p["se"], "SE after the answer")]


def _section_ended(engine: _Engine, before: Session, event: SessionEvent) -> list[str]:
    reason, section = event.payload["reason"], before.engine.section
    if section != event.payload["section"]:
        return [f"the section that ends is {section}, the log says {event.payload['section']}"]
    if reason == "time" and engine.kit.clock(event.at, before).phase in OVER:
        return []
    decision, _ = engine.look(before)
    right = isinstance(decision, EndSection) and decision.reason == reason
    return [] if right else [f"the engine does not end the section here for the reason '{reason}'"]


def _finished(engine: _Engine, before: Session, event: SessionEvent) -> list[str]:
    reason = event.payload["reason"]
    if reason == "proctor":
        return []
    decision, _ = engine.look(before)
    right = isinstance(decision, Stop) and decision.reason == reason
    return [] if right else [f"the engine does not end the test here for the reason '{reason}'"]


def _number_faults(found: float, logged: float, what: str) -> list[str]:
    """A fault where the log says another number than the engine."""
    return [f"{what} is {found!r}, the log says {logged!r}"] if _differ(found, logged) else []


def _differ(found: float, logged: float) -> bool:
    return not abs(found - logged) <= TOLERANCE  # NaN is near nothing

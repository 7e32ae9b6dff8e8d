"""The adaptive engine: arrays in, decisions out. No I/O, no clock, no global randomness."""

from cat_engine.ability import Grid, NormalPrior, eap, level_probabilities
from cat_engine.engine import Decision, EndSection, Estimate, Evidence, Present, Stop, ask, estimate, look
from cat_engine.faults import Fault, Faulty
from cat_engine.irt import MODELS, ItemParams, Row, expected_score, information, log_probabilities, probabilities
from cat_engine.plan import Section, TestPlan, check
from cat_engine.plan_text import dump_plan, load_plan
from cat_engine.pool import Pool
from cat_engine.simulate import simulate
from cat_engine.simulated import SimulationResult, Summary
from cat_engine.state import Answered, EngineRefusal, Presented, SectionEnded, State, Stopped, fold, start, tell

__all__ = [
    "MODELS", "Answered", "Decision", "EndSection", "EngineRefusal", "Estimate", "Evidence", "Fault", "Faulty", "Grid",
    "ItemParams", "NormalPrior", "Pool", "Present", "Presented", "Row", "Section", "SectionEnded", "SimulationResult",
    "State", "Stop", "Stopped", "Summary", "TestPlan", "ask", "check", "dump_plan", "eap", "estimate", "expected_score", "fold",
    "information", "level_probabilities", "load_plan", "log_probabilities", "look", "probabilities", "simulate", "start", "tell",
]  # fmt: skip

"""The package's public names, pinned: others import them."""

import cat_engine

PUBLIC = [
    "Answered", "Decision", "EndSection", "EngineRefusal", "Estimate", "Evidence", "Fault", "Faulty", "Grid", "ItemParams", "MODELS",
    "NormalPrior", "Pool", "Present", "Presented", "Row", "Section", "SectionEnded", "SimulationResult", "State", "Stop", "Stopped", "Summary",
    "TestPlan", "ask", "check", "dump_plan", "eap", "estimate", "expected_score", "fold", "information", "level_probabilities", "load_plan",
    "log_probabilities", "look", "probabilities", "simulate", "start", "tell",
]  # fmt: skip


def test_the_public_names_are_these() -> None:
    assert sorted(cat_engine.__all__) == PUBLIC
    assert all(getattr(cat_engine, name) is not None for name in PUBLIC)


def test_every_public_class_and_function_is_documented() -> None:
    things = [getattr(cat_engine, name) for name in PUBLIC if name not in ("MODELS", "Decision")]
    assert all(thing.__doc__ and not thing.__doc__.startswith(f"{thing.__name__}(") for thing in things)

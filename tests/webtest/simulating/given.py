"""The command on the small banks, a plan that starts by priors, and a bank with items in pretest."""

from pathlib import Path

import numpy as np
from click.testing import Result

from tests.webtest.small import PLAN, run

STARTED = PLAN + "[prior]\nperson = true\n[prior.groups.jpt_pratama]\nmean = 0.8\nsd = 0.9\n"


def sim(files: Path, *more: str | Path) -> Result:
    return run("simulate", "--bank", files / "bank.csv", "--plan", files / "plan.toml", "--out", files / "out", *more)


def sim2(files: Path, *more: str | Path) -> Result:
    return run("simulate", "--bank", files / "two.csv", "--plan", files / "plan2.toml", "--out", files / "out", *more)


def with_new_items(folder: Path, *, items: int = 14, new: int = 2, first: int = 2, last: int = 5) -> str:
    """bank.csv: two competencies of 2PL items, of each three in pretest, n1 to n3 and m1 to m3; plan.toml gives `new` of them. Gives the bank."""
    header = "item_id,competency,model,a,b1,c,d,status,rt_alpha,rt_beta"
    rng = np.random.default_rng(8)
    rows = [
        f"{c}{i},{c.upper()},2pl,{rng.uniform(0.9, 1.8):.3f},{b:.3f},,,active,2,3"
        for c in "xy"
        for i, b in enumerate(np.linspace(-2.2, 2.2, items))
    ]
    rows += [
        f"{name}{i},{c},2pl,{1.0 + 0.3 * i:.1f},{0.6 * i - 1.2:.1f},,,pretest,2,3"
        for name, c in (("n", "X"), ("m", "Y"))
        for i in (1, 2, 3)
    ]
    text = "\n".join([header, *rows]) + "\n"
    (folder / "bank.csv").write_text(text)
    seeded = f"[pretest]\ncount = {new}\nfirst = {first}\nlast = {last}\n" if new else ""
    plan = PLAN.replace('["A"]', '["X", "Y"]').replace("min_items = 2\nmax_items = 3", "min_items = 4\nmax_items = 6")
    plan = plan.replace("time_budget_min = 10", "time_budget_min = 60")
    (folder / "plan.toml").write_text(plan.replace("[[sections]]", seeded + "[[sections]]"))
    return text

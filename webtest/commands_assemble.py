"""`cact assemble`: a fixed form that satisfies a blueprint and tells most at given abilities."""

from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from rich.markup import escape

from cat_engine import Fault, Faulty, Pool, information
from cat_engine.blueprint import Content, read_rows, row_faults
from cat_engine.conflict import conflict_faults
from itembank.bank import pool_of, time_faults
from webtest.console import check_target, guarded, json_option, named, put, read_text
from webtest.engine_inputs import abilities, read_bank, read_table
from webtest.whole_files import whole_file, write_csv


def attach(main: click.Group) -> None:
    """Add this module's commands."""
    main.add_command(assemble)


@click.command()
@click.option("--bank", "bank_file", type=click.Path(path_type=Path), required=True, help="Parameter CSV; further columns are attributes.")
@click.option(
    "--constraints", "constraint_file", type=click.Path(path_type=Path), required=True, help="CSV CONSTRAINT_ID,TYPE,WHAT,CONDITION,LB,UB."
)
@click.option(
    "--attributes",
    "attribute_file",
    type=click.Path(path_type=Path),
    help="CSV ID (or item_id) and attributes of items, beside those of the bank.",
)
@click.option("--stimuli", "stimulus_file", type=click.Path(path_type=Path), help="CSV STID and attributes of stimuli.")
@click.option("--theta", "theta_text", default="0", show_default=True, help="Abilities at which information counts, separated by commas.")
@click.option("--out", "out_file", type=click.Path(path_type=Path), required=True, help="CSV to write: item_id,info.")
@json_option
@guarded
def assemble(
    bank_file: Path, constraint_file: Path, attribute_file: Path | None, stimulus_file: Path | None, theta_text: str, out_file: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Choose the items of largest information that satisfy every row of a blueprint, in its order; exact, and the same on every run."""
    check_target(out_file, force=True)
    theta = abilities(theta_text, "--theta")
    bank = read_bank(bank_file)
    pool = pool_of(bank, bank.competencies)
    with named(constraint_file):
        rows = read_rows(read_table(read_text(constraint_file)))
    faults = (
        [] if rows else [Fault(str(constraint_file), "ONOFF", "every row is OFF, so that nothing bounds the form", "a row that counts")]
    )
    if not pool.operational.any():
        faults.append(Fault(str(bank_file), "status", "no item is active", "a bank with active items"))
    if faults:
        raise Faulty(faults)
    own = [bank.attributes[bank.index[i]] for i in pool.ids]
    if any(row.kind == "time" for row in rows) and pool.seconds is None:
        raise Faulty(time_faults(bank, pool.ids))
    content = _content(pool, own, attribute_file, stimulus_file)
    faults = row_faults(rows, content, len(pool))
    if faults:
        raise Faulty([replace(fault, where=f"{constraint_file.name}, {fault.where}") for fault in faults])
    pool = replace(pool, content=content)
    info = information(pool.params, theta).mean(axis=0)
    assembly = pool.assembly(rows)
    found = assembly.solve(info, pool.operational)
    if found is None:
        raise Faulty([replace(fault, where=constraint_file.name, field="") for fault in conflict_faults(rows, pool)])
    items = np.flatnonzero(found)
    items = items[np.argsort(assembly.order[items], kind="stable")]
    with whole_file(out_file) as part:
        write_csv(part, ("item_id", "info"), ((pool.ids[i], float(info[i])) for i in items))
    figures = {"items": len(items), "total_info": float(info[items].sum()), "rows": len(rows)}
    put(figures, as_json, f"{figures['items']} items, total information {figures['total_info']:.4f}; written to {escape(str(out_file))}")


def _content(pool: Pool, own: list, attribute_file: Path | None, stimulus_file: Path | None) -> Content:  # type: ignore[type-arg]
    names = sorted({name for row in own for name in row})
    columns = {name: [row.get(name, "") for row in own] for name in names}
    columns["COMPETENCY"] = [pool.competencies[s] for s in pool.params.scale.tolist()]
    if attribute_file is not None:
        table = _by(attribute_file, "ID", "ITEM_ID")
        faults = [Fault(str(attribute_file), "ID", f"item '{i}' is missing") for i in pool.ids if i not in table]
        if faults:
            raise Faulty(faults)
        for name in next(iter(table.values()), {}):
            columns[name] = [table[i][name] for i in pool.ids]
    stimuli = {} if stimulus_file is None else _by(stimulus_file, "STID")
    return Content.of(pool.ids, columns, stimuli)


def _by(file: Path, *names: str) -> dict[str, dict[str, str]]:
    """The rows of a file by what stands in the first column of these names that it has, each once. Raises Faulty."""
    with named(file):
        rows = read_table(read_text(file))
        key = next((key for name in names for key in rows[0] if key.upper() == name), None)
        if key is None:
            raise Faulty([Fault("row 1", names[0], "the column is missing", " or ".join(names).lower() + " names what a row is about")])
    ids = [row[key] for row in rows]
    faults = [Fault(str(file), key, f"'{i}' stands twice", "one row each") for i in dict.fromkeys(ids) if ids.count(i) > 1]
    if faults:
        raise Faulty(faults)
    return dict(zip(ids, rows, strict=True))

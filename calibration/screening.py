"""Whether answers can be of a bank at all: what every analysis of answers asks first."""

from collections.abc import Iterator

import numpy as np

from calibration.responses import ResponseLog
from cat_engine import Fault
from itembank.bank import Bank


def answer_faults(log: ResponseLog, bank: Bank) -> Iterator[Fault]:
    """Unknown items, categories that an item does not have, second answers of a person to an item, and no answers at all."""
    unknown = [item_id for item_id in log.item_ids if item_id not in bank.index]
    for item_id in unknown:
        yield Fault("answers", item_id, "is not an item of the bank", f"bank version {bank.version} is used")
    if not len(log):
        yield Fault("answers", "", "there are none")
    if unknown or not len(log):
        return
    n_cat = bank.params.n_cat[[bank.index[item_id] for item_id in log.item_ids]]
    for i in np.unique(log.item[log.category >= n_cat[log.item]]):
        highest = log.category[log.item == i].max()
        yield Fault("answers", log.item_ids[i], f"category {highest} was answered, the bank has categories 0 to {n_cat[i] - 1}")
    pairs = np.sort(log.person * len(log.item_ids) + log.item)
    again = np.unique(pairs[1:][pairs[1:] == pairs[:-1]])
    for i, n in zip(*np.unique(again % len(log.item_ids), return_counts=True), strict=True):
        yield Fault("answers", log.item_ids[i], f"{n} people have answered it more than once", "one answer a person and item")

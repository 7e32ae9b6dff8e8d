"""A value is worked out once for each instance, and threads agree on one."""

from concurrent.futures import ThreadPoolExecutor

from cat_engine.once import once


class Squares:
    def __init__(self) -> None:
        self.calls = 0

    @once
    def table(self) -> list[int]:
        """The squares below ten."""
        self.calls += 1
        return [k * k for k in range(10)]


def test_the_second_look_costs_nothing() -> None:
    first, second = Squares(), Squares()
    assert first.table is first.table
    assert (first.calls, second.calls) == (1, 0)
    assert second.table == first.table
    assert second.table is not first.table


def test_threads_get_one_and_the_same_value() -> None:
    shared = Squares()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: shared.table, range(200)))
    assert all(table is found[0] for table in found)


def test_the_documentation_is_that_of_the_method() -> None:
    assert Squares.table.__doc__ == "The squares below ten."

"""A property that is worked out once for each instance and kept in its __dict__.

functools.cached_property does the same, but holds one lock a class (until Python 3.12) while it works: the threads of a live server would wait for
each other there. Here two threads may work the same pure value out twice; the first one kept stays.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class once(Generic[T]):  # noqa: N801 - used as a decorator
    """Decorator of a method without arguments; the class must have a __dict__."""

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> "once[T]": ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> "once[T] | T":
        if instance is None:
            return self
        kept: T = instance.__dict__.setdefault(self.name, self.function(instance))
        return kept

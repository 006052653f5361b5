"""A method of Keras's, replaced for a while in the threads that ask for it."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras


class Replacement:
    """Another body for a method of a class of Keras's; does nothing beside TensorFlow.

    Threads that are not within `active()` get Keras's own, and after the last one has
    left the class is as it was.

    Args:
        owner: The class.
        name: Its method's name.
        method: Called as `method(original, self, ...)`, where `original` is Keras's.
    """

    def __init__(self, owner: type, name: str, method: Callable[..., Any]):
        self._owner = owner
        self._name = name
        self._method = method
        self._original: Any = None
        self._entered = 0
        self._lock = threading.RLock()
        self._here = threading.local()

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Within it, calls by this thread go to the other body."""
        if keras.backend.backend() != "tensorflow":
            yield
            return
        before = getattr(self._here, "depth", 0)
        self._enter()
        self._here.depth = before + 1
        try:
            yield
        finally:
            self._here.depth = before
            self._leave()

    def _enter(self) -> None:
        with self._lock:
            if not self._entered:
                original = self._original = getattr(self._owner, self._name)

                @functools.wraps(original)
                def dispatch(instance, *args, **kwargs):
                    if getattr(self._here, "depth", 0):
                        return self._method(original, instance, *args, **kwargs)
                    return original(instance, *args, **kwargs)

                setattr(self._owner, self._name, dispatch)
            self._entered += 1

    def _leave(self) -> None:
        with self._lock:
            self._entered -= 1
            if not self._entered:
                setattr(self._owner, self._name, self._original)

"""Ctrl-C that gets through."""

import _thread
import contextlib
import signal
import threading
from collections.abc import Iterator

# Longer than what a training does on its way out.
_AGAIN = 5.0


@contextlib.contextmanager
def insisting() -> Iterator[None]:
    """Within it, a Ctrl-C that was dropped is given again, until it ends the block.

    Python drops the exception where it comes while a destructor runs, TensorFlow where
    it calls back into Python; the work would go on as if nothing had been said.
    """
    before = signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    # A shell has what it starts in the background ignore Ctrl-C; it goes on to.
    if not in_main or before is not signal.default_int_handler:
        yield
        return
    over = threading.Event()
    insists = threading.Thread(target=_again, args=(over,), daemon=True)

    def interrupted(number, frame):
        if insists.ident is None:
            insists.start()
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        over.set()
        signal.signal(signal.SIGINT, before)


def _again(over: threading.Event) -> None:
    while not over.wait(_AGAIN):
        _thread.interrupt_main()

"""What is to be done to the samples of an epoch, drawn block by block."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kerakd.data.plan import Plan

BLOCK = 8192


@dataclass(frozen=True)
class Rows:
    """The rows of `Plan` that an epoch's batches consist of.

    Args:
        plan: What is drawn.
        order: Positions of the samples by epoch.
        view: The version of the samples by epoch.
        batch_size: Samples in a batch.
    """

    plan: Plan
    order: Callable[[int], np.ndarray]
    view: Callable[[int], int]
    batch_size: int

    @property
    def block(self) -> int:
        """How many samples are drawn for at a time: whole batches, `BLOCK` at most.

        The draws of an epoch take some 0.3 kB a sample, which nobody needs at once.
        """
        return max(1, BLOCK // self.batch_size) * self.batch_size

    def drawn(self, positions: np.ndarray, epoch: int) -> dict[str, np.ndarray]:
        """The rows of the samples at these positions in an epoch."""
        return self.plan.rows(positions, self.view(epoch))

    def reader(self) -> Callable[[int, int], dict[str, np.ndarray]]:
        """A function from the numbers of an epoch and of a batch to its rows."""
        # Threads may stand at the end of an epoch, or of a block, and at the start of
        # the next.
        ordered = lru_cache(maxsize=2)(self.order)

        @lru_cache(maxsize=2)
        def of_block(epoch, number):
            positions = ordered(epoch)[number * self.block :][: self.block]
            return self.drawn(positions, epoch)

        def of_batch(epoch, number):
            block, start = divmod(number * self.batch_size, self.block)
            columns = of_block(epoch, block)
            stop = start + self.batch_size
            return {name: column[start:stop] for name, column in columns.items()}

        return of_batch

"""What kerakd's own fits put in the place of chains of small operations."""

import contextlib
from collections.abc import Iterator

from kerakd.training.fused_normalization import fused_batch_norm
from kerakd.training.fused_optimizer import fused_adam


@contextlib.contextmanager
def fused_operations() -> Iterator[None]:
    """Within it, batch normalisation in training and Adam's step are fused.

    As in `kerakd.train_teacher` and `train_student`; see `fused_batch_norm` and
    `fused_adam`. The step function must be traced within it.
    """
    with fused_batch_norm(), fused_adam():
        yield

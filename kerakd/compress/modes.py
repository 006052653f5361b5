"""What an exported file can store its weights in."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mode:
    """What a mode stores a weight in, and how far its logits may stray."""

    weight_bytes: int
    # Largest difference of logits over the largest logit, of integer modes the mean
    # difference. It tells a broken file from a rounded one; how good a rounded one is,
    # `verify` says on real images.
    tolerance: float
    # Whether activations are integers too, whose ranges images have to tell.
    calibrated: bool = False


MODES = {
    "float32": Mode(4, 1e-3),
    "float16": Mode(2, 5e-2),
    "dynamic": Mode(1, 5e-1),
    "int8": Mode(1, 2e-1, calibrated=True),
    "int16x8": Mode(1, 2e-1, calibrated=True),
}

"""Dice and crossentropy together: a loss on the labels of a segmentation."""

from typing import Any

import keras
from keras import ops

from kerakd.distillation import schedules
from kerakd.distillation.base import flat_mean, float_dtype

# That of nnU-Net: a class that is neither in the label nor in the answer loses nothing.
_SMOOTH = 1e-5


def _one_hot(labels: Any, logits: Any) -> Any:
    """Labels as shares of each class, of the shape of the logits."""
    labels = ops.convert_to_tensor(labels)
    classes = logits.shape[-1]
    same_rank = len(labels.shape) == len(logits.shape)
    if same_rank and (classes == 1 or labels.shape[-1] == classes):
        return ops.cast(labels, logits.dtype)
    if same_rank:
        labels = ops.squeeze(labels, axis=-1)
    if classes == 1:
        return ops.expand_dims(ops.cast(labels, logits.dtype), -1)
    return ops.one_hot(ops.cast(labels, "int32"), classes, dtype=logits.dtype)


def _as_logits(logits: Any) -> Any:
    logits = ops.convert_to_tensor(logits)
    return ops.cast(logits, float_dtype(logits))


def dice_per_sample(
    labels: Any, logits: Any, background: bool = False, batch: bool = False
) -> Any:
    """`dice` before the mean over samples, shape `(batch,)`; all alike with `batch`."""
    logits = _as_logits(logits)
    target = _one_hot(labels, logits)
    single = logits.shape[-1] == 1
    share = ops.sigmoid(logits) if single else ops.softmax(logits, axis=-1)
    places = tuple(range(1, len(logits.shape) - 1))
    both = ops.sum(share * target, axis=places)
    either = ops.sum(share, axis=places) + ops.sum(target, axis=places)
    if batch:
        samples = ops.ones_like(both)
        both = samples * ops.sum(both, axis=0, keepdims=True)
        either = samples * ops.sum(either, axis=0, keepdims=True)
    found = (2.0 * both + _SMOOTH) / (either + _SMOOTH)
    if not single and not background:
        found = found[:, 1:]
    return 1.0 - ops.mean(found, axis=-1)


def dice(
    labels: Any, logits: Any, background: bool = False, batch: bool = False
) -> Any:
    """1 less the soft Dice coefficient, mean over classes and samples.

    `1 - (2 * sum p y + s) / (sum p + sum y + s)` with s = 1e-5. "V-Net", Milletari et
    al., 3DV 2016 (arXiv:1606.04797); plain sums in the denominator as in nnU-Net
    (Isensee et al., 2021).

    Args:
        labels: Integer classes `(batch, height, width)` or `(..., 1)`, or one-hot of
            the shape of the logits. For one logit 0 and 1.
        logits: Float tensor `(batch, height, width, classes)`; any number of axes
            between the first and the last. One class is that of a sigmoid.
        background: Whether class 0 counts; it is left out where there are several.
        batch: Whether the sums run over all samples of the batch together, as nnU-Net
            has it for slices. Sample by sample, one without any tumour costs the same
            whether a few of its pixels or a thousand are called tumour.

    Returns:
        A scalar in [0, 1].
    """
    return ops.mean(dice_per_sample(labels, logits, background, batch))


def dice_crossentropy(
    labels: Any,
    logits: Any,
    dice_weight: float = 1.0,
    crossentropy_weight: float = 1.0,
    background: bool = False,
    batch: bool = False,
) -> Any:
    """`dice_weight * dice + crossentropy_weight * crossentropy`, mean over samples.

    Crossentropy has a gradient at every pixel; Dice does not mind how rare a class is.

    Args:
        labels: As in `dice`.
        logits: As in `dice`.
        dice_weight: Weight of the Dice part.
        crossentropy_weight: Weight of the crossentropy, a mean over pixels.
        background: As in `dice`.
        batch: As in `dice`.

    Returns:
        A scalar of at least 0.
    """
    return ops.mean(
        _together(labels, logits, dice_weight, crossentropy_weight, background, batch)
    )


def _together(
    labels, logits, dice_weight, crossentropy_weight, background, batch
) -> Any:
    logits = _as_logits(logits)
    target = _one_hot(labels, logits)
    if logits.shape[-1] == 1:
        crossentropy = ops.binary_crossentropy(target, logits, from_logits=True)
    else:
        crossentropy = -ops.sum(target * ops.log_softmax(logits, axis=-1), axis=-1)
    part = dice_per_sample(target, logits, background, batch)
    return dice_weight * part + crossentropy_weight * flat_mean(crossentropy)


@keras.saving.register_keras_serializable("kerakd")
class DiceCrossentropy(keras.losses.Loss):
    """Dice and crossentropy, a `loss` for `compile`; see `dice_crossentropy`.

    It compares labels with the student's logits, so it is given to
    `Distiller.compile`, not among the distillation losses. Sample weights are of shape
    `(batch,)`.

    Args:
        dice_weight: At least 0.
        crossentropy_weight: At least 0.
        background: Whether class 0 counts in the Dice part.
        batch: Whether the Dice part sums over the whole batch, see `dice`; sample
            weights then leave out of the crossentropy, and not of those sums.
        name: As in `keras.losses.Loss`.
        reduction: As in `keras.losses.Loss`.
        dtype: As in `keras.losses.Loss`.

    Example:

    ```python
    import keras
    import kerakd

    unet = kerakd.models.build("unet_student", 2, (128, 128, 3))
    unet.compile("adam", loss=kerakd.losses.DiceCrossentropy())
    ```
    """

    def __init__(
        self,
        dice_weight: float = 1.0,
        crossentropy_weight: float = 1.0,
        background: bool = False,
        batch: bool = False,
        name: str = "dice_crossentropy",
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        infinity = float("inf")
        self.dice_weight = schedules.check(dice_weight, "dice_weight", 0.0, infinity)
        self.crossentropy_weight = schedules.check(
            crossentropy_weight, "crossentropy_weight", 0.0, infinity
        )
        self.background = background
        self.batch = batch

    def call(self, y_true, y_pred):
        return _together(
            y_true,
            y_pred,
            self.dice_weight,
            self.crossentropy_weight,
            self.background,
            self.batch,
        )

    def get_config(self) -> dict:
        """The constructor's arguments, for Keras's serialisation."""
        config = super().get_config()
        config.update(
            dice_weight=self.dice_weight,
            crossentropy_weight=self.crossentropy_weight,
            background=self.background,
            batch=self.batch,
        )
        return config

"""Optimizers from options."""

from collections.abc import Iterable
from typing import Any

import keras

from kerakd.training.options import TrainingOptions


def build_optimizer(
    options: TrainingOptions, learning_rate: Any, variables: Iterable[Any]
) -> keras.optimizers.Optimizer:
    """The optimizer that the options ask for, built on `variables`.

    Args:
        options: Chooses the optimizer and its settings.
        learning_rate: A float or a `keras.optimizers.schedules` object.
        variables: The trainable variables.

    Returns:
        An optimizer whose state exists, wrapped for loss scaling under float16.
    """
    variables = list(variables)
    shared = {
        "learning_rate": learning_rate,
        "weight_decay": options.decay or None,
        "global_clipnorm": options.clip_norm,
    }
    if options.gradient_accumulation > 1:
        shared["gradient_accumulation_steps"] = options.gradient_accumulation
    if options.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(momentum=options.momentum, **shared)
    elif options.optimizer == "adamw":
        # `AdamW` insists on a number where Adam takes None.
        shared["weight_decay"] = options.decay
        optimizer = keras.optimizers.AdamW(**shared)
    else:
        optimizer = keras.optimizers.Adam(**shared)
    if options.decay:
        spare_vectors(optimizer, variables)
    if options.mixed_precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer


def spare_vectors(
    optimizer: keras.optimizers.Optimizer, variables: Iterable[Any]
) -> None:
    """Exclude biases and normalisation parameters from weight decay.

    They are the variables with fewer than two axes: decaying them costs accuracy and
    regularises nothing ("Bag of Tricks for Image Classification with Convolutional
    Neural Networks", He et al., CVPR 2019). Keras does not save the exclusion: call
    this again on an optimizer that was loaded from a file.

    Args:
        optimizer: Any Keras optimizer with weight decay.
        variables: The trainable variables.
    """
    vectors = [v for v in variables if len(v.shape) < 2]
    optimizer.exclude_from_weight_decay(var_list=vectors)

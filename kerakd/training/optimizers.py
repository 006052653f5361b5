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


def add_up_first(optimizer: keras.optimizers.Optimizer) -> None:
    """Show an optimizer the gradients of all replicas, added up.

    Keras clips each replica's own, to the norm that is meant for their sum, and looks
    for infinities in them alone: under float16 one replica would take a step that
    another leaves out.

    Args:
        optimizer: A Keras optimizer on TensorFlow.
    """
    import tensorflow as tf

    inner = getattr(optimizer, "inner_optimizer", optimizer)
    # What it would add up once more.
    inner._all_reduce_sum_gradients = list
    apply = optimizer.apply

    def apply_sum(grads, trainable_variables=None):
        known = [gradient for gradient in grads if gradient is not None]
        context = tf.distribute.get_replica_context()
        sums = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, known))
        summed = [None if gradient is None else next(sums) for gradient in grads]
        return apply(summed, trainable_variables)

    optimizer.apply = apply_sum

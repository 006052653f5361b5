"""The loop in which a legacy network learns from labels and a Keras 3 teacher."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kerakd.compress.aware.objective import Objective
from kerakd.compress.aware.settings import Lesson
from kerakd.compress.bridge.legacy import tf_keras
from kerakd.errors import ModelError
from kerakd.training.feeding import Feed


def learn(
    network: Any,
    trainable: list,
    objective: Objective,
    feed: Feed,
    lesson: Lesson,
    title: str,
    each_step: Callable[[], None] = lambda: None,
    each_epoch: Callable[[], None] = lambda: None,
    optimizer: Any = None,
) -> list[dict[str, float]]:
    """Train a legacy network.

    Args:
        network: A `tf_keras.Model`, wrapped by TFMOT or not.
        trainable: Its variables that learn.
        objective: The loss.
        feed: The training data.
        lesson: Epochs, learning rate, seed.
        title: What the progress bar says.
        each_step: Called before each step.
        each_epoch: Called after each epoch.
        optimizer: What `make_optimizer` gave, where a callback has to see it.

    Returns:
        For each epoch the means of the parts of the loss.

    Raises:
        ModelError: The loss becomes NaN or infinite.
    """
    import tensorflow as tf
    from rich.progress import Progress

    optimizer = optimizer or make_optimizer(feed, lesson)
    optimizer.build(trainable)

    @tf.function(autograph=False)
    def step(x, y, weight):
        with tf.GradientTape() as tape:
            logits = network(objective.images(x), training=True)
            parts = objective(x, y, weight, logits)
            total = tf.add_n([parts["total_loss"], *network.losses])
        gradients = tape.gradient(total, trainable)
        optimizer.apply_gradients(
            (g, v) for g, v in zip(gradients, trainable, strict=True) if g is not None
        )
        return parts

    steps, history = feed.steps_per_epoch, []
    hidden = lesson.progress is False
    with Progress(transient=True, disable=hidden) as bar:
        task = bar.add_task(title, total=lesson.epochs * steps)
        for epoch in range(lesson.epochs):
            rows = []
            for batch in feed.stream(epoch * steps, steps):
                x, y, *rest = batch
                each_step()
                parts = step(x, y, rest[0] if rest else None)
                rows.append([float(value) for value in parts.values()])
                if not np.isfinite(rows[-1]).all():
                    raise ModelError(
                        f"The loss is no longer finite in epoch {epoch + 1}; lower "
                        f"learning_rate, which is {lesson.learning_rate:g}."
                    )
                names = list(parts)
                bar.advance(task)
            each_epoch()
            means = np.mean(rows, axis=0)
            history.append(dict(zip(names, map(float, means), strict=True)))
    return history


def make_optimizer(feed: Feed, lesson: Lesson) -> Any:
    """Adam whose learning rate falls to 0 along a cosine."""
    optimizers = tf_keras().optimizers
    decay = optimizers.schedules.CosineDecay(
        lesson.learning_rate, lesson.epochs * feed.steps_per_epoch
    )
    return optimizers.Adam(decay)

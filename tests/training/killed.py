"""A training that kills itself, for test_resume.py; no test of its own."""

import os
import signal
import sys

import keras
import numpy as np

import kerakd


def build(filters=4, seed=0):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(filters, 3)(inputs)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.3)(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))


def arrays():
    generator = np.random.default_rng(0)
    return generator.normal(size=(22, 8, 8, 1)).astype("float32"), np.arange(22) % 3


class KillAt(keras.callbacks.Callback):
    """Ends the process, as the kernel does when memory runs out."""

    def __init__(self, epoch, step):
        super().__init__()
        self._at = (epoch, step)
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self._epoch, batch) == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def train(out, resume=False, callbacks=()):
    student = build()
    history = kerakd.train_student(
        student,
        arrays(),
        arrays(),
        teacher=build(filters=6, seed=1),
        epochs=3,
        batch_size=4,
        optimizer="adamw",
        schedule="cosine",
        warmup_epochs=1,
        early_stopping=5,
        checkpoint_steps=2,
        out=out,
        resume=resume,
        callbacks=callbacks,
        verbose=0,
    )
    return student, history


if __name__ == "__main__":
    train(sys.argv[1], callbacks=[KillAt(1, 4)])

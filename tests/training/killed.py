"""A training that kills itself, for test_resume.py; no test of its own."""

import os
import signal
import sys
import threading
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import kerakd


def build(filters=4, seed=0):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(filters, 3)(x)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.3)(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))


def write_pictures(folder):
    """Grey pictures of three classes, as files."""
    generator = np.random.default_rng(0)
    for index in range(22):
        pixels = generator.normal(60 * (index % 3 + 1), 20, (10, 10))
        path = Path(folder) / "abc"[index % 3] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


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


def train(pictures, out, resume=False, callbacks=(), checkpoint_steps=2):
    # Whether TensorFlow's kernels are deterministic is part of what bits depend on, and
    # in a process that runs other tests too, one of them may have switched it on.
    kerakd.training.deterministic(0)
    samples = kerakd.data.load_images(pictures)
    batches = kerakd.data.batches(
        samples,
        8,
        channels=1,
        batch_size=4,
        shuffle=True,
        seed=1,
        augment={"horizontal_flip": True, "rotation": 15, "mixup": 0.2},
    )
    student = build()
    history = kerakd.train_student(
        student,
        batches,
        kerakd.data.batches(samples, 8, channels=1, batch_size=8),
        teacher=build(filters=6, seed=1),
        epochs=3,
        optimizer="adamw",
        schedule="cosine",
        warmup_epochs=1,
        early_stopping=5,
        checkpoint_steps=checkpoint_steps,
        out=out,
        resume=resume,
        callbacks=callbacks,
        verbose=0,
    )
    return student, history


class KillAfter(keras.callbacks.Callback):
    """Ends the process a moment after so many steps, whatever it does by then."""

    def __init__(self, steps, seconds):
        super().__init__()
        self._steps, self._seconds = steps, seconds

    def on_train_batch_end(self, batch, logs=None):
        self._steps -= 1
        if self._steps == 0:
            me = os.getpid()
            threading.Timer(self._seconds, os.kill, (me, signal.SIGKILL)).start()


if __name__ == "__main__":
    pictures, out, steps, seconds = sys.argv[1:]
    kill = KillAfter(int(steps), float(seconds))
    train(pictures, out, resume=Path(out).exists(), callbacks=[kill])

"""A training that workers share, for test_workers.py; no test itself.

Run as `python -m tests.training.working FOLDER`, with a TF_CONFIG by each worker and
without one by the process that they are compared with.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np

import kerakd
from kerakd.training import devices
from tests.training import spread


class KillAt(keras.callbacks.Callback):
    """Ends the process, as the kernel does when memory runs out."""

    def __init__(self, epoch, step):
        super().__init__()
        self._at = (epoch, step)

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self._epoch, batch) == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def main(folder):
    shared = "TF_CONFIG" in os.environ
    found = {}
    context = contextlib.nullcontext()
    if shared:
        context = kerakd.training.on_devices(strategy="multi_worker")
    with context:
        for name, run in spread.trainings().items():
            history, student = run()
            for key, values in history.items():
                found[f"{name}/history/{key}"] = np.array(values)
            for i, weight in enumerate(student.get_weights()):
                found[f"{name}/weights/{i}"] = weight
            assert student.predict_on_batch(spread.arrays(5)[0]).shape == (5, 3)
        me = devices.cluster().index if shared else "alone"
    np.savez(Path(folder) / f"{me}.npz", **found)


if __name__ == "__main__":
    main(sys.argv[1])

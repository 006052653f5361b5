"""One of two processes that train together, for test_workers.py; no test of its own.

Run as `python -m tests.training.workers OUT INDEX PORT PORT [KILL]`: with KILL the
process ends itself in the second epoch.
"""

import json
import os
import signal
import sys

import numpy as np


def options(out):
    return {"out": out, "resume": True, "epochs": 3, "batch_size": 16, "verbose": 0}


def train(out, callbacks=()):
    import kerakd
    from kerakd.losses import KLDivergence
    from tests.training.spread import arrays, network

    student = network(4, seed=2)
    history = kerakd.train_student(
        student,
        arrays(43),
        arrays(32, seed=1)[:2],
        teacher=network(8, seed=1),
        distillation_losses=[KLDivergence(2.0)],
        optimizer="sgd",
        learning_rate=0.05,
        callbacks=callbacks,
        **options(out),
    )
    return history.history, student


def main(out, index, first, second, kill=""):
    addresses = [f"127.0.0.1:{port}" for port in (first, second)]
    task = {"type": "worker", "index": int(index)}
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": {"worker": addresses}, "task": task}
    )
    import keras

    import kerakd

    class Kill(keras.callbacks.Callback):
        epoch = 0

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if self.epoch == 1:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        with kerakd.training.on_devices(strategy="multi_worker"):
            history, student = train(out, [Kill()] if kill else [])
    except kerakd.KerakdError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    found = {f"history/{key}": np.array(values) for key, values in history.items()}
    for i, weight in enumerate(student.get_weights()):
        found[f"weights/{i}"] = weight
    np.savez(f"{out}/found_{index}.npz", **found)


if __name__ == "__main__":
    main(*sys.argv[1:])

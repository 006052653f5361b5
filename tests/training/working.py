"""A training that workers share, for test_workers.py; no test itself.

Run as `python -m tests.training.working MODE FOLDER ...`, by each worker with a
TF_CONFIG and without one by the process that they are compared with.
"""

import contextlib
import os
import sys
from pathlib import Path

import keras
import numpy as np

import kerakd
from kerakd.training import devices
from tests.training import killed, spread

LEFT = 33  # the last batch is of one sample: one worker has none


def losses(folder):
    """Several trainings on arrays: their histories and weights."""
    found = {}
    trainings = {
        **spread.trainings(),
        "one left": lambda: spread.train(spread.arrays(LEFT)),
        "one left, on labels": lambda: spread.train(spread.arrays(LEFT), teacher=False),
    }
    for name, run in trainings.items():
        history, student = run()
        for key, values in history.items():
            found[f"{name}/history/{key}"] = np.array(values)
        for i, weight in enumerate(student.get_weights()):
            found[f"{name}/weights/{i}"] = weight
        assert student.predict_on_batch(spread.arrays(5)[0]).shape == (5, 3)
    np.savez(Path(folder) / f"{who()}.npz", **found)


def resumed(folder, out, epoch, step):
    """A training with BatchNorm and Dropout, killed at a step if that is not -1."""
    callbacks = [killed.KillAt(int(epoch), int(step))]
    student, history = killed.train(
        Path(folder) / "pictures", out, resume=Path(out).exists(), callbacks=callbacks
    )
    found = {str(i): weight for i, weight in enumerate(student.get_weights())}
    variables = [*history.model.optimizer.variables, history.model.steps]
    for i, variable in enumerate(variables):
        found[f"optimizer {i}"] = keras.ops.convert_to_numpy(variable.value)
    for key, values in history.history.items():
        found[f"history {key}"] = np.array(values)
    np.savez(Path(folder) / f"{Path(out).name}-{who()}.npz", **found)


def stranger(folder, what):
    """One of the workers has other data, or another network."""
    other = who() != "0"
    if what == "data":
        spread.train(spread.arrays(48 if other else 32))
    else:
        network = spread.network(5 if other else 4, seed=2)
        kerakd.train_teacher(network, spread.arrays(32), epochs=1, verbose=0)


def who():
    """This worker's number."""
    cluster = devices.cluster()
    return "alone" if cluster is None else str(cluster.index)


def main(mode, *arguments):
    context = contextlib.nullcontext()
    if "TF_CONFIG" in os.environ:
        context = kerakd.training.on_devices(strategy="multi_worker")
    try:
        with context:
            globals()[mode](*arguments)
    except kerakd.errors.KerakdError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Five steps of every kind of distillation, for test_backends.py; no test of its own.

Run as `python -m tests.distillation.backend_cases given.npz found.npz` it takes weights
and batches that TensorFlow's process wrote, and writes what became of them.
"""

import sys

import keras
import numpy as np

import kerakd
from kerakd.losses import (
    DIST,
    DKD,
    RKD,
    AttentionTransfer,
    ChannelwiseKL,
    Hint,
    KLDivergence,
    PixelwiseKL,
    SimilarityPreserving,
)
from kerakd.training.precision import mixed_precision
from tests.distillation.tiny import crossentropy, make_model

STEPS, BATCH = 5, 8


def dense_model(width, seed, name):
    """Logits for each pixel of 8x8 pictures."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(width, 3, padding="same", use_bias=False)(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.Conv2DTranspose(width, 3, strides=1, padding="same")(x)
    return keras.Model(inputs, keras.layers.Conv2D(3, 1, name="logits")(x), name=name)


def _pair(**student):
    return make_model(8, 1, name="teacher"), make_model(4, 2, name="student", **student)


def _labels(kind):
    rng = np.random.default_rng(3)
    shape = (STEPS * BATCH, *((8, 8) if kind == "dense" else ()))
    return rng.integers(0, 3, shape).astype("int32")


def _decay(first, last):
    return keras.optimizers.schedules.PolynomialDecay(first, STEPS, last)


def _case(losses, teacher=None, student=None, **rest):
    pair = _pair(**rest.pop("network", {}))
    return {
        "teacher": pair[0] if teacher is None else teacher,
        "student": pair[1] if student is None else student,
        "losses": losses,
        **rest,
    }


def _dense(losses):
    teacher = dense_model(8, 1, "teacher")
    return _case(losses, teacher, dense_model(4, 2, "student"), kind="dense")


CASES = {
    "logits": lambda: _case(KLDivergence(4.0), network={"l2": 0.01}),
    "methods": lambda: _case([DKD(), DIST(), KLDivergence(2.0, standardize=True)]),
    "adam": lambda: _case(KLDivergence(4.0), optimizer=keras.optimizers.AdamW(1e-3)),
    "features": lambda: _case(
        [
            KLDivergence(),
            Hint("relu", "relu"),
            AttentionTransfer("relu", "relu"),
            RKD("pool", "pool"),
            SimilarityPreserving("relu", "relu"),
        ],
        weights=[1.0, 0.5, 0.1, 0.02, 0.1],
    ),
    "dense": lambda: _dense([PixelwiseKL(2.0), ChannelwiseKL(4.0)]),
    "sample_weights": lambda: _case(
        [KLDivergence(), Hint("relu", "relu")], sample_weights=True
    ),
    "two_teachers": lambda: _case(
        KLDivergence(3.0),
        [make_model(8, 1, name="one"), make_model(6, 5, name="other")],
        options={"teacher_weights": [0.7, 0.3]},
    ),
    "schedules": lambda: _case(
        KLDivergence(_decay(6.0, 2.0)),
        options={"student_loss_weight": _decay(0.2, 0.8)},
    ),
    "mean_teacher": lambda: _case(KLDivergence(1.0), kerakd.MeanTeacher(0.9)),
    "keras_loss": lambda: _case(
        keras.distillation.LogitsDistillation(temperature=3.0), sample_weights=True
    ),
    "bfloat16": lambda: _case(
        [KLDivergence(4.0), Hint("relu", "relu")], precision="bfloat16"
    ),
    "float16": lambda: _case(
        [KLDivergence(4.0), Hint("relu", "relu")], precision="float16"
    ),
    "cached": lambda: _case(KLDivergence(4.0), cached=True),
    "cached_features": lambda: _case(
        [KLDivergence(4.0), Hint("relu", "relu")], cached=True
    ),
}


def inputs(case, given):
    """Pictures, or what a cache would give beside them."""
    x = given["x"]
    if not case.get("cached"):
        return x
    return {
        "student": x,
        "teacher_outputs": given["logits"],
        "teacher_features": {"0/relu": given["relu"]},
    }


def _optimizer(case):
    optimizer = case.get("optimizer") or keras.optimizers.SGD(0.05, momentum=0.9)
    if case.get("precision") == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=256.0)
    return optimizer


def build(case):
    """The Distiller of a case, compiled."""
    distiller = kerakd.Distiller(
        case["teacher"],
        case["student"],
        case["losses"],
        case.get("weights"),
        **case.get("options", {}),
    )
    distiller.compile(_optimizer(case), crossentropy(), metrics=["accuracy"])
    return distiller


def weights(distiller):
    """Everything that learns or is averaged, in an order that no backend changes."""
    parts = [distiller.student, *distiller.projectors]
    if distiller.mean_teacher is not None:
        parts.append(distiller.average)
    return [weight for part in parts for weight in part.weights]


def asked(distiller):
    """The weights of the teachers."""
    if distiller.mean_teacher is not None:
        return []
    return [v for model in distiller._teachers.models for v in model.weights]


class Losses(keras.callbacks.Callback):
    """The loss of each step, from averages over the epoch so far."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def on_train_batch_end(self, batch, logs=None):
        self.rows.append({k: float(v) for k, v in logs.items()})


def run(name, given):
    """Train a case from given weights.

    Args:
        name: Of `CASES`.
        given: Arrays `x`, `y`, `logits`, `relu`; with those of another process also
            `<name>/student/<i>` and `<name>/teacher/<i>`.

    Returns:
        `(arrays at the start, arrays at the end)`.
    """
    case = CASES[name]()
    # Weights that start in step are set before mixed precision is on.
    with mixed_precision(case["student"], case.get("precision")):
        distiller = build(case)
        start = {}
        for part, variables in (
            ("student", weights(distiller)),
            ("teacher", asked(distiller)),
        ):
            for i, variable in enumerate(variables):
                key = f"{name}/{part}/{i:03d}"
                if key in given:
                    variable.assign(given[key])
                start[key] = keras.ops.convert_to_numpy(variable.value)
        losses = Losses()
        weight = given["weight"] if case.get("sample_weights") else None
        kind = case.get("kind", "classes")
        distiller.fit(
            inputs(case, given),
            given[f"y_{kind}"],
            sample_weight=weight,
            batch_size=BATCH,
            shuffle=False,
            verbose=0,
            callbacks=[losses],
        )
        # In evaluation the loss is the student's on the labels.
        tested = distiller.evaluate(
            given["x"],
            given[f"y_{kind}"],
            batch_size=BATCH,
            return_dict=True,
            verbose=0,
        )
    end = {
        f"{name}/weights/{i:03d}": keras.ops.convert_to_numpy(variable.value)
        for i, variable in enumerate(weights(distiller))
    }
    for key in losses.rows[0]:
        end[f"{name}/losses/{key}"] = np.array([row[key] for row in losses.rows])
    for key, value in tested.items():
        end[f"{name}/tested/{key}"] = np.array(value)
    return start, end


def make_inputs():
    """Pictures, labels, weights, and what a teacher is taken to have said."""
    rng = np.random.default_rng(0)
    count = STEPS * BATCH
    return {
        "x": rng.normal(size=(count, 8, 8, 1)).astype("float32"),
        "y_classes": _labels("classes"),
        "y_dense": _labels("dense"),
        "weight": rng.uniform(0, 2, count).astype("float32"),
        "logits": rng.normal(size=(count, 1, 3)).astype("float32"),
        "relu": rng.uniform(0, 1, (count, 3, 3, 8)).astype("float32"),
    }


if __name__ == "__main__":
    with np.load(sys.argv[1]) as stored:
        given = dict(stored)
    found = {"backend": np.array(keras.backend.backend())}
    names = sys.argv[3:] or CASES
    for name in names:
        found |= run(name, given)[1]
    found["tensorflow"] = np.array("tensorflow" in sys.modules)
    np.savez(sys.argv[2], **found)

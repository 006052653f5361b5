"""A training on two devices beside one on one, for test_devices.py; no test itself.

Run as `python -m tests.training.spread out.npz`: TensorFlow gets two logical CPUs, JAX
those that XLA_FLAGS forces.
"""

import sys

import keras
import numpy as np

import kerakd
from kerakd.errors import RecipeError
from kerakd.losses import Hint, KLDivergence
from kerakd.training import devices

BATCH = 16
UNEVEN = 43  # the last batch is of 11: 6 and 5


def network(width, seed):
    # Without BatchNorm, whose statistics are those of a device.
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(
        width, 3, strides=2, kernel_regularizer=keras.regularizers.L2(0.01)
    )(inputs)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))


def arrays(count, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 8, 8, 1)).astype("float32")
    y = rng.integers(0, 3, count).astype("int32")
    return x, y, rng.uniform(0, 2, count).astype("float32")


def train(data, teacher=True, **options):
    """Two epochs; the history and the weights that came home."""
    student = network(4, seed=2)
    history = kerakd.train_student(
        student,
        data,
        arrays(UNEVEN if len(data[0]) == UNEVEN else 32, seed=1)[:2],
        teacher=network(8, seed=1) if teacher else None,
        distillation_losses=[KLDivergence(2.0), Hint("relu", "relu")]
        if teacher
        else None,
        epochs=2,
        batch_size=BATCH,
        verbose=0,
        optimizer="sgd",
        learning_rate=0.05,
        **options,
    )
    return history.history, student


def trainings():
    """Each training by name, as a function."""
    uneven = keras.backend.backend() == "tensorflow"
    count = UNEVEN if uneven else 48
    found = {
        "weighted": lambda: train(arrays(count)),
        "plain": lambda: train(arrays(count)[:2]),
        "labels": lambda: train(arrays(count), teacher=False),
    }
    if uneven:
        # Shorter than the gradients are.
        found["clipped"] = lambda: train(arrays(count), clip_norm=0.1)
        found["float16"] = lambda: train(arrays(32), mixed_precision="float16")
    return found


def refuse_accumulation():
    try:
        train(arrays(32), gradient_accumulation=2)
    except RecipeError as error:
        assert "`gradient_accumulation` cannot be had" in str(error)
    else:
        raise AssertionError("gradient_accumulation was taken")


def main(out):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        halves = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, halves)
    found = {}
    for where in ("one", "two"):
        for name, run in trainings().items():
            if where == "one":
                history, student = run()
            else:
                with kerakd.training.on_devices(2):
                    assert devices.current().count == 2
                    history, student = run()
                    if keras.backend.backend() == "tensorflow":
                        refuse_accumulation()
            for key, values in history.items():
                found[f"{where}/{name}/history/{key}"] = np.array(values)
            for i, weight in enumerate(student.get_weights()):
                found[f"{where}/{name}/weights/{i}"] = weight
            # The model that came home is an ordinary one.
            x = arrays(5)[0]
            assert student.predict_on_batch(x).shape == (5, 3)
    np.savez(out, **found)


if __name__ == "__main__":
    main(sys.argv[1])

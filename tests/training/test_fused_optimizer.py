import keras
import numpy as np
import pytest
import tensorflow as tf

from kerakd.training.fused_optimizer import fused_adam

STEP = keras.optimizers.Adam.update_step
SHAPES = ((3, 4), (4,), (2, 3, 5))


def _trained(make, fused, steps=7, sparse=False, dtype="float32"):
    """Weights and the optimizer's state after some steps, and operations of a step."""
    random = np.random.default_rng(0)
    weights = [
        keras.Variable(random.normal(size=shape).astype("float32"), dtype=dtype)
        for shape in SHAPES
    ]
    optimizer = make()
    optimizer.build(weights)

    def apply(*gradients):
        optimizer.apply(list(gradients), weights)

    def step(*gradients):
        if sparse:
            gradients = [
                tf.IndexedSlices(g[:1], tf.constant([1]), g.shape) for g in gradients
            ]
        if fused:
            with fused_adam():
                apply(*gradients)
        else:
            apply(*gradients)

    traced = tf.function(step)
    for _ in range(steps):
        # Of all sizes, since Adam divides by them.
        gradients = [
            tf.constant(random.normal(0, 10.0 ** random.integers(-6, 3), s), dtype)
            for s in SHAPES
        ]
        traced(*gradients)
    graph = traced.get_concrete_function(*gradients).graph
    state = [np.array(v, "float32") for v in (*weights, *optimizer.variables)]
    return state, {operation.type for operation in graph.get_operations()}


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(1e-2),
    "constants": lambda: keras.optimizers.Adam(1e-2, 0.8, 0.99, epsilon=1e-3),
    "adamw": lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.1),
    "clipped": lambda: keras.optimizers.Adam(1e-2, global_clipnorm=0.5),
    "schedule": lambda: keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(1e-2, 7)
    ),
    "accumulated": lambda: keras.optimizers.Adam(1e-2, gradient_accumulation_steps=2),
    "averaged": lambda: keras.optimizers.Adam(1e-2, use_ema=True),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_gives_what_keras_gives(name):
    exact, _ = _trained(OPTIMIZERS[name], fused=False)
    found, operations = _trained(OPTIMIZERS[name], fused=True)
    if name != "accumulated":  # There it is within a branch of its own.
        assert "ResourceApplyAdam" in operations
    for one, other in zip(exact, found, strict=True):
        # TensorFlow takes 1 - 0.999 in float32, 1.3e-5 off: so are the velocities.
        np.testing.assert_allclose(other, one, rtol=2e-5, atol=1e-6)


def test_float16_with_scaled_losses():
    def make():
        return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-2))

    exact, _ = _trained(make, fused=False)
    found, _ = _trained(make, fused=True)
    for one, other in zip(exact, found, strict=True):
        # TensorFlow takes 1 - 0.999 in float32, 1.3e-5 off: so are the velocities.
        np.testing.assert_allclose(other, one, rtol=2e-5, atol=1e-6)


LEFT = {
    "amsgrad": (lambda: keras.optimizers.Adam(1e-2, amsgrad=True), {}),
    "another": (lambda: keras.optimizers.SGD(1e-2), {}),
    "sparse": (lambda: keras.optimizers.Adam(1e-2), {"sparse": True}),
    "half": (lambda: keras.optimizers.Adam(1e-2), {"dtype": "float16"}),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_it_does_not_cover_stays_with_keras(case):
    make, options = LEFT[case]
    exact, _ = _trained(make, fused=False, **options)
    found, operations = _trained(make, fused=True, **options)
    assert "ResourceApplyAdam" not in operations
    for one, other in zip(exact, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_keras_is_as_it_was_afterwards():
    with pytest.raises(ZeroDivisionError), fused_adam(), fused_adam():
        assert keras.optimizers.Adam.update_step is not STEP
        raise ZeroDivisionError
    assert keras.optimizers.Adam.update_step is STEP

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
    state = [np.array(v, "float32") for v in (*weights, *optimizer.variables)]
    return state, _operations(traced, *gradients)


def _operations(function, *arguments):
    graph = function.get_concrete_function(*arguments).graph.as_graph_def()
    # With what stands in branches, where gradients are accumulated or scaled.
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    return {node.op for node in nodes}


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
    assert "ResourceApplyAdam" in operations
    for one, other in zip(exact, found, strict=True):
        # TensorFlow takes 1 - 0.999 in float32, 1.3e-5 off: so are the velocities.
        np.testing.assert_allclose(other, one, rtol=2e-5, atol=1e-6)


def test_float16_with_scaled_losses():
    def make():
        return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-2))

    exact, _ = _trained(make, fused=False)
    found, operations = _trained(make, fused=True)
    assert "ResourceApplyAdam" in operations
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


def test_distributed_weights_stay_with_keras():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        weight = keras.Variable(np.ones(3, "float32"))
        optimizer = keras.optimizers.Adam(1e-2)
        optimizer.build([weight])

    @tf.function
    def step(gradient):
        with fused_adam():
            strategy.run(lambda g: optimizer.apply([g + 0.0], [weight]), (gradient,))

    assert "ResourceApplyAdam" not in _operations(step, tf.ones(3))
    step(tf.ones(3))
    np.testing.assert_allclose(np.array(weight), 0.99, rtol=1e-5)


def test_keras_is_as_it_was_afterwards():
    with pytest.raises(ZeroDivisionError), fused_adam(), fused_adam():
        assert keras.optimizers.Adam.update_step is not STEP
        raise ZeroDivisionError
    assert keras.optimizers.Adam.update_step is STEP

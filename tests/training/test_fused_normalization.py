import keras
import numpy as np
import pytest
import tensorflow as tf

from kerakd.training.fused_normalization import fused_batch_norm

CALL = keras.layers.BatchNormalization.call


def _step(layer, x, upstream, fused):
    """Output, gradients and running statistics of one step in training."""
    layer = type(layer).from_config(layer.get_config())
    layer.build(x.shape)
    random = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(random.uniform(0.5, 1.5, weight.shape))

    @tf.function
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            if fused:
                with fused_batch_norm():
                    y = layer(x, training=True)
            else:
                y = layer(x, training=True)
            loss = tf.reduce_sum(tf.cast(y, tf.float32) * upstream)
        return y, tape.gradient(loss, [x, *layer.trainable_weights])

    y, gradients = run(tf.constant(x))
    return [
        np.array(v, "float32") for v in (y, *gradients, *layer.weights)
    ], _operations(run, x)


def _operations(function, x):
    graph = function.get_concrete_function(tf.constant(x)).graph
    return {operation.type for operation in graph.get_operations()}


CASES = {
    "plain": ({}, (8, 5, 6, 3), "float32"),
    "no scale": ({"scale": False}, (8, 5, 6, 3), "float32"),
    "no center": ({"center": False, "epsilon": 1e-5}, (8, 5, 6, 3), "float32"),
    "momentum": ({"momentum": 0.5}, (2, 1, 1, 4), "float32"),
    "one value": ({}, (1, 1, 1, 4), "float32"),
    "half": ({"dtype": "mixed_float16"}, (8, 5, 6, 3), "float16"),
    "bfloat16": ({"dtype": "mixed_bfloat16"}, (8, 5, 6, 3), "bfloat16"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_gives_what_keras_gives(case):
    options, shape, dtype = CASES[case]
    layer = keras.layers.BatchNormalization(**options)
    random = np.random.default_rng(1)
    x = tf.cast(random.normal(2, 3, shape), dtype)
    upstream = tf.constant(random.normal(size=shape), tf.float32)
    exact, _ = _step(layer, x, upstream, fused=False)
    found, operations = _step(layer, x, upstream, fused=True)
    assert "FusedBatchNormV3" in operations
    digits = 1e-5 if dtype == "float32" else 1e-2
    for one, other in zip(exact, found, strict=True):
        scale = max(np.abs(one).max(), 1)
        np.testing.assert_allclose(other, one, rtol=0, atol=digits * scale)


LEFT = {
    "axis": ({"axis": 1}, (4, 3, 5, 5)),
    "dense": ({}, (8, 3)),
    "frozen": ({"trainable": False}, (8, 5, 5, 3)),
    "renorm": ({"renorm": True}, (8, 5, 5, 3)),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_it_does_not_cover_stays_with_keras(case):
    options, shape = LEFT[case]
    layer = keras.layers.BatchNormalization(**options)
    x = np.random.default_rng(1).normal(size=shape).astype("float32")
    upstream = tf.ones(shape)
    exact, _ = _step(layer, x, upstream, fused=False)
    found, operations = _step(layer, x, upstream, fused=True)
    assert "FusedBatchNormV3" not in operations
    for one, other in zip(exact, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_keras_is_as_it_was_afterwards():
    layer = keras.layers.BatchNormalization()
    with pytest.raises(ZeroDivisionError), fused_batch_norm(), fused_batch_norm():
        layer(np.ones((2, 3, 3, 1), "float32"), training=True)
        raise ZeroDivisionError
    assert keras.layers.BatchNormalization.call is CALL


def test_inference_is_keras_s_own():
    layer = keras.layers.BatchNormalization()
    x = np.random.default_rng(0).normal(size=(4, 3, 3, 2)).astype("float32")
    layer(x, training=True)
    with fused_batch_norm():
        inside = np.array(layer(x, training=False))
    np.testing.assert_array_equal(inside, np.array(layer(x, training=False)))

import keras
import numpy as np
import pytest
from keras import layers

from kerakd.errors import ModelError
from kerakd.models import ends_in_logits, with_logits


def data(shape=(6, 5)):
    return np.random.default_rng(3).normal(size=shape).astype("float32")


def classifier(*tail, units=3, **dense):
    inputs = keras.Input((5,), name="x")
    x = layers.Dense(8, activation="tanh", name="hidden")(inputs)
    x = layers.Dense(units, name="scores", **dense)(x)
    for layer in tail:
        x = layer(x)
    return keras.Model(inputs, x, name="classifier")


def sequential(activation):
    return keras.Sequential(
        [keras.Input((5,)), layers.Dense(4), layers.Dense(3, activation=activation)]
    )


def nested(activation):
    inputs = keras.Input((5,))
    return keras.Model(inputs, sequential(activation)(layers.Dense(5)(inputs)))


PROBABILITIES = {
    "activation of the dense layer": lambda: classifier(activation="softmax"),
    "activation layer": lambda: classifier(layers.Activation("softmax")),
    "softmax layer": lambda: classifier(layers.Softmax()),
    "operation": lambda: classifier(keras.ops.softmax),
    "operation as activation": lambda: classifier(activation=keras.ops.softmax),
    "sigmoid": lambda: classifier(activation="sigmoid"),
    "sigmoid operation": lambda: classifier(keras.ops.sigmoid),
    "cast behind": lambda: classifier(
        layers.Softmax(), layers.Activation("linear", dtype="float64")
    ),
    "reshape behind": lambda: classifier(
        layers.Activation("softmax"), layers.Reshape((3, 1)), layers.Flatten()
    ),
    "sequential": lambda: sequential("softmax"),
    "nested sequential": lambda: nested("softmax"),
}


@pytest.mark.parametrize("kind", PROBABILITIES)
def test_the_last_activation_is_found_and_removed(kind):
    model = PROBABILITIES[kind]()
    logits, reason = ends_in_logits(model)
    assert logits is False
    assert "softmax" in reason or "sigmoid" in reason
    assert not ends_in_logits(model)
    before = np.asarray(model(data()))

    stripped = with_logits(model)

    assert ends_in_logits(stripped)
    function = keras.ops.sigmoid if "sigmoid" in reason else keras.ops.softmax
    np.testing.assert_allclose(function(stripped(data())), before, atol=1e-6)
    assert stripped.output_shape == model.output_shape
    assert {id(v) for v in stripped.variables} == {id(v) for v in model.variables}
    np.testing.assert_array_equal(model(data()), before)
    assert not ends_in_logits(model)


@pytest.mark.parametrize("activation", [None, "linear", "relu", "log_softmax"])
def test_logits_are_left_as_they_are(activation):
    model = classifier(activation=activation)
    assert ends_in_logits(model)
    assert with_logits(model) is model


def test_the_result_can_be_saved_and_trained(tmp_path):
    model = classifier(activation="softmax")
    stripped = with_logits(model)
    stripped.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
    before = model.get_weights()
    stripped.fit(data(), np.zeros(6), verbose=0)
    assert not np.array_equal(model.get_weights()[-1], before[-1])
    stripped.save(tmp_path / "logits.keras")
    again = keras.saving.load_model(tmp_path / "logits.keras")
    np.testing.assert_array_equal(again(data()), stripped(data()))


def test_half_precision_logits_come_out_in_float32():
    inputs = keras.Input((5,))
    x = layers.Dense(3, dtype="mixed_float16")(inputs)
    model = keras.Model(inputs, layers.Softmax(dtype="float32", name="p")(x))
    stripped = with_logits(model)
    assert stripped.outputs[0].dtype == "float32"
    np.testing.assert_allclose(
        keras.ops.softmax(stripped(data())), model(data()), atol=1e-6
    )


def test_every_output_is_looked_at():
    inputs = keras.Input((5,))
    x = layers.Dense(4)(inputs)
    model = keras.Model(
        inputs,
        {
            "kind": layers.Dense(3, activation="softmax", name="kind")(x),
            "size": layers.Dense(1, name="size")(x),
        },
    )
    assert "'kind'" in ends_in_logits(model).reason
    stripped = with_logits(model)
    assert set(stripped.output) == {"kind", "size"}
    ours, theirs = stripped(data()), model(data())
    np.testing.assert_allclose(
        keras.ops.softmax(ours["kind"]), theirs["kind"], atol=1e-6
    )
    np.testing.assert_array_equal(ours["size"], theirs["size"])


def test_a_probability_that_is_used_inside_too_stays_there():
    inputs = keras.Input((5,))
    p = layers.Dense(3, activation="softmax", name="gate")(inputs)
    model = keras.Model(inputs, [p, layers.Dense(2, name="next")(p)])
    stripped = with_logits(model)
    names = {layer.name for layer in stripped.layers if layer.weights}
    assert names == {"gate", "gate_logits", "next"}
    ours, theirs = stripped(data()), model(data())
    np.testing.assert_allclose(keras.ops.softmax(ours[0]), theirs[0], atol=1e-6)
    np.testing.assert_array_equal(ours[1], theirs[1])


def test_a_head_called_twice_is_stripped_at_both_calls():
    head = layers.Dense(3, activation="softmax", name="head")
    a, b = keras.Input((5,), name="a"), keras.Input((5,), name="b")
    model = keras.Model([a, b], [head(a), head(b)])
    stripped = with_logits(model)
    x = [data(), 2 * data()]
    for ours, theirs in zip(stripped(x), model(x), strict=True):
        np.testing.assert_allclose(keras.ops.softmax(ours), theirs, atol=1e-6)
    assert len(stripped.weights) == 2


def test_maps_with_a_sigmoid_convolution():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(inputs))
    stripped = with_logits(model)
    x = data((2, 8, 8, 3))
    np.testing.assert_allclose(keras.ops.sigmoid(stripped(x)), model(x), atol=1e-6)


def test_a_mixture_of_probabilities_is_seen_and_has_no_logits():
    inputs = keras.Input((5,))
    votes = [layers.Dense(3, activation="softmax")(inputs) for _ in range(2)]
    model = keras.Model(inputs, layers.Average(name="vote")(votes))
    assert not ends_in_logits(model)
    with pytest.raises(ModelError, match="list of teachers"):
        with_logits(model)


def test_a_gate_inside_is_no_probability():
    inputs = keras.Input((5,))
    gated = inputs * layers.Dense(5, activation="sigmoid")(inputs)
    assert ends_in_logits(keras.Model(inputs, gated))
    assert ends_in_logits(keras.Model(inputs, layers.LSTM(3)(gated[:, None])))


def test_keras_applications_ends_in_probabilities():
    model = keras.applications.MobileNetV3Small(
        input_shape=(32, 32, 3), weights=None, alpha=0.5, classes=7
    )
    assert ends_in_logits(model).reason == (
        "layer 'predictions' has the activation softmax"
    )
    x = data((2, 32, 32, 3))
    np.testing.assert_allclose(
        keras.ops.softmax(with_logits(model)(x)), model(x), atol=1e-6
    )


class Subclassed(keras.Model):
    def call(self, x):
        return keras.ops.softmax(x)


def test_a_subclassed_model_is_taken_on_trust_but_not_changed():
    logits, reason = ends_in_logits(Subclassed())
    assert logits and "on trust" in reason
    with pytest.raises(ModelError, match=r"in its `call`"):
        with_logits(Subclassed())
    with pytest.raises(ModelError, match="no input shape yet"):
        with_logits(keras.Sequential([layers.Dense(2, activation="softmax")]))

import keras
import numpy as np
import pytest
from keras import layers

from kerakd.errors import ModelError
from kerakd.models import flatten, layer_output, taps
from kerakd.models.graph import calls


def block(name, channels=4, shape=(8, 8, 3)):
    inputs = keras.Input(shape)
    x = layers.Conv2D(channels, 3, padding="same", name="conv")(inputs)
    x = layers.BatchNormalization(name="bn")(x)
    return keras.Model(inputs, layers.ReLU(name="relu")(x), name=name)


def head(shape=(8, 8, 4)):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(3, name="scores"),
        ],
        name="head",
    )


def nested(**call):
    inputs = keras.Input((8, 8, 3), name="image")
    outputs = head()(block("base")(inputs, **call))
    return keras.Model(inputs, outputs, name="nested")


def images(count=3, shape=(8, 8, 3)):
    return np.random.default_rng(1).normal(size=(count, *shape)).astype("float32")


def is_flat(model):
    return not any(isinstance(layer, keras.Model) for layer in model.layers)


def test_nested_functional_and_sequential_become_one_graph():
    model = nested()
    flat = flatten(model)
    assert is_flat(flat) and not is_flat(model)
    assert [layer.name for layer in flat.layers] == [
        "image", "conv", "bn", "relu", "pool", "scores",
    ]  # fmt: skip
    np.testing.assert_array_equal(flat(images()), model(images()))
    assert {id(v) for v in flat.variables} == {id(v) for v in model.variables}


def test_training_moves_the_same_statistics_and_weights():
    model = nested()
    flat = flatten(model)
    before = model.get_weights()
    flat.compile("sgd", "mse")
    flat.fit(images(), np.ones((3, 3)), verbose=0)
    after = model.get_weights()
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
    np.testing.assert_array_equal(flat(images()), model(images()))


def test_the_users_model_stays_as_it_was(tmp_path):
    model = nested()
    names = [layer.name for layer in model.layers]
    config = model.get_config()
    flatten(model)
    assert [layer.name for layer in model.layers] == names
    assert model.get_config() == config
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(images()), model(images()))


def test_a_flat_model_is_returned_as_it_is():
    model = block("flat")
    assert flatten(model) is model


def test_sequential_becomes_functional():
    model = keras.Sequential([block("inner"), layers.Flatten(), layers.Dense(2)])
    flat = flatten(model)
    assert is_flat(flat) and not isinstance(flat, keras.Sequential)
    np.testing.assert_array_equal(flat(images()), model(images()))


def test_depth_does_not_matter():
    model = block("one")
    for name in ("two", "three"):
        inputs = keras.Input((8, 8, 3))
        model = keras.Model(inputs, model(inputs), name=name)
    flat = flatten(keras.Sequential([keras.Input((8, 8, 3)), model], name="four"))
    assert [layer.name for layer in flat.layers][1:] == ["conv", "bn", "relu"]
    np.testing.assert_array_equal(flat(images()), model(images()))


def test_a_model_called_twice_keeps_one_set_of_weights():
    base = block("base")
    left, right = keras.Input((8, 8, 3), name="a"), keras.Input((8, 8, 3), name="b")
    difference = layers.Subtract(name="difference")([base(left), base(right)])
    model = keras.Model({"a": left, "b": right}, difference)
    flat = flatten(model)
    x = {"a": images(2), "b": images(2)[::-1]}
    assert is_flat(flat) and len(flat.weights) == len(base.weights)
    np.testing.assert_array_equal(flat(x), model(x))
    assert np.abs(flat(x)).max() > 0
    with pytest.raises(ModelError, match="2 calls"):
        taps(flat, ["conv"])


def test_inputs_and_outputs_keep_their_structure():
    inner_in = [keras.Input((4,), name="p"), keras.Input((4,), name="q")]
    summed = layers.Add(name="sum")(inner_in)
    inner = keras.Model(inner_in, {"sum": summed, "p": inner_in[0] * 2.0}, name="inner")
    outer_in = {"u": keras.Input((4,), name="u"), "v": keras.Input((4,), name="v")}
    answer = inner([outer_in["u"], outer_in["v"]])
    model = keras.Model(
        outer_in, {"x": layers.Dense(2)(answer["sum"]), "y": [answer["p"]]}
    )
    flat = flatten(model)
    x = {"u": np.ones((2, 4), "float32"), "v": np.arange(8.0).reshape(2, 4)}
    ours, theirs = flat(x), model(x)
    np.testing.assert_array_equal(ours["x"], theirs["x"])
    np.testing.assert_array_equal(ours["y"][0], theirs["y"][0])


def test_layers_of_the_same_name_get_twins_with_the_same_variables(tmp_path):
    inputs = keras.Input((8, 8, 3))
    branches = [block("left")(inputs), block("right")(inputs)]
    model = keras.Model(inputs, layers.Average()(branches))
    flat = flatten(model)
    names = {layer.name for layer in flat.layers}
    assert {"conv", "right_conv", "right_bn", "right_relu"} <= names
    assert {id(v) for v in flat.variables} == {id(v) for v in model.variables}
    np.testing.assert_array_equal(flat(images()), model(images()))
    assert model.get_layer("right").get_layer("conv").name == "conv"

    flat.compile("sgd", "mse")
    flat.fit(images(), np.ones((3, 8, 8, 4)), verbose=0)
    np.testing.assert_array_equal(flat(images()), model(images()))
    flat.save(tmp_path / "flat.keras")
    again = keras.saving.load_model(tmp_path / "flat.keras")
    np.testing.assert_array_equal(again(images()), model(images()))


def test_the_outer_models_own_layers_keep_their_names():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(3, 1, name="conv")(block("base")(inputs))
    flat = flatten(keras.Model(inputs, x))
    assert flat.get_layer("conv").filters == 3
    assert flat.get_layer("base_conv").filters == 4


def test_a_training_flag_of_the_call_is_kept():
    model = nested(training=True)
    flat = flatten(model)
    # Called without a flag, the model normalises with the batch; so does the graph.
    np.testing.assert_array_equal(flat(images()), model(images()))
    assert not np.allclose(flat(images()), flatten(nested())(images()))


def test_other_precision_inside_is_kept():
    inputs = keras.Input((4,))
    inner = keras.Model(inputs, inputs / 3.0, name="inner")
    outer = keras.Input((4,))
    half = layers.Dense(4, dtype="float16")(outer)
    model = keras.Model(outer, inner(half))
    x = np.random.default_rng(2).normal(size=(5, 4)).astype("float32")
    assert flatten(model)(x).dtype == model(x).dtype
    np.testing.assert_array_equal(flatten(model)(x), model(x))


def test_nested_keras_applications_are_seen_through():
    base = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), include_top=False, weights=None, alpha=0.35
    )
    model = keras.Sequential([base, layers.GlobalAveragePooling2D(), layers.Dense(2)])
    flat = flatten(model)
    x = images(1, (32, 32, 3))
    np.testing.assert_array_equal(flat(x), model(x))
    tapped = taps(model, ["block_13_expand_relu"])
    assert tapped(x)["block_13_expand_relu"].shape == (1, 2, 2, 192)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="own")
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def test_what_has_no_graph_is_refused_with_the_remedy():
    with pytest.raises(ModelError, match="functional API"):
        flatten(Subclassed())
    with pytest.raises(ModelError, match=r"keras\.Input"):
        flatten(keras.Sequential([layers.Dense(2)]))
    with pytest.raises(ModelError, match=r"keras\.Model"):
        flatten("model.keras")


def test_a_subclassed_model_inside_stays_one_layer():
    inputs = keras.Input((4,))
    inner = Subclassed()
    model = keras.Model(inputs, inner(inputs))
    assert flatten(model) is model


def test_taps_give_layers_by_name_and_by_path():
    model = nested()
    tapped = taps(model, ["base/relu", "conv", "head/scores"])
    outputs = tapped(images())
    assert set(outputs) == {"base/relu", "conv", "head/scores"}
    np.testing.assert_array_equal(outputs["head/scores"], model(images()))
    np.testing.assert_array_equal(
        outputs["base/relu"], model.get_layer("base")(images())
    )


def test_taps_of_a_flattened_model_belong_to_its_own_graph():
    flat = flatten(nested())
    outputs = taps(flat, ["relu", "scores"])(images())
    np.testing.assert_array_equal(outputs["scores"], flat(images()))
    assert keras.Model(flat.input, layer_output(flat, "conv"))(images()).shape == (
        3, 8, 8, 4,
    )  # fmt: skip


def test_taps_refuse_unknown_and_ambiguous_names():
    inputs = keras.Input((8, 8, 3))
    outputs = layers.Add()([block("left")(inputs), block("right")(inputs)])
    model = keras.Model(inputs, outputs)
    with pytest.raises(ModelError, match="left/relu"):
        taps(model, ["left/rel"])
    with pytest.raises(ModelError, match="several layers 'conv'"):
        taps(model, ["conv"])
    with pytest.raises(ModelError, match="at least one"):
        taps(model, [])
    found = taps(model, ["right/conv"])(images())["right/conv"]
    np.testing.assert_array_equal(
        found, model.get_layer("right").get_layer("conv")(images())
    )


def test_calls_come_in_an_order_that_can_be_computed():
    model = keras.applications.MobileNetV3Small(
        input_shape=(32, 32, 3), weights=None, alpha=0.5
    )
    known = {id(x) for x in model.inputs}
    for call in calls(model):
        assert all(id(x) in known for x in call.inputs)
        known.update(id(x) for x in call.outputs)
    assert all(id(x) in known for x in model.outputs)

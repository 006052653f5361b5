import keras
import numpy as np
import pytest
from keras import layers

from kerakd.errors import ModelError
from kerakd.models import build, freeze_backbone, taps, unfreeze
from kerakd.models.freezing import head_layers

from .conftest import SMALL


def network():
    inputs = keras.Input((8, 8, 3))
    x = inputs
    for number in range(1, 5):
        x = layers.Conv2D(4, 3, padding="same", name=f"conv{number}")(x)
        x = layers.BatchNormalization(name=f"bn{number}")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(5, name="dense")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def learning(model):
    return [layer.name for layer in model.layers if layer.weights and layer.trainable]


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("alexnet", ["fc6", "fc7", "logits"]),
        ("deit_small", ["class_logits", "distillation_logits"]),
        ("efficientnet_v2_b0", ["logits"]),
        ("mobilenet_v3_small", ["logits"]),
    ],
)
def test_the_head_is_what_comes_behind_pooling(name, head, classifiers):
    assert [layer.name for layer in head_layers(classifiers(name))] == head


def test_the_head_of_a_map_is_its_last_convolution():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="inside")(inputs)
    x = layers.Conv2D(2, 1, name="scores")(x)
    model = keras.Model(inputs, layers.Activation("linear", dtype="float32")(x))
    assert [layer.name for layer in head_layers(model)] == ["scores"]


def test_only_the_head_learns_and_batch_norm_stands_still():
    model = network()
    counts = freeze_backbone(model)
    assert learning(model) == ["dense", "logits"]
    assert counts.trainable == (4 * 5 + 5) + (5 * 3 + 3)
    assert counts.trainable + counts.frozen == model.count_params()
    model.compile("sgd", "mse")
    before = taps(model, ["bn4"])(np.ones((2, 8, 8, 3)))["bn4"]
    head = model.get_layer("logits").get_weights()
    model.fit(np.ones((4, 8, 8, 3)), np.ones((4, 3)), verbose=0)
    after = taps(model, ["bn4"])(np.ones((2, 8, 8, 3)))["bn4"]
    np.testing.assert_array_equal(before, after)
    assert not np.array_equal(head[0], model.get_layer("logits").get_weights()[0])


def test_a_head_may_be_named():
    model = network()
    freeze_backbone(model, head=["conv4", "logits"])
    assert learning(model) == ["conv4", "logits"]
    with pytest.raises(ModelError, match="'logits'"):
        freeze_backbone(model, head=["logit"])


def test_the_backbone_opens_from_the_output_step_by_step():
    model = network()
    freeze_backbone(model)
    unfreeze(model, fraction=0.25)
    assert learning(model) == ["conv4", "bn4", "dense", "logits"]
    unfreeze(model, fraction=0.5, batch_norm=False)
    assert learning(model) == ["conv3", "conv4", "bn4", "dense", "logits"]
    unfreeze(model, from_layer="bn2")
    assert learning(model)[:2] == ["bn2", "conv3"]
    counts = unfreeze(model)
    assert len(learning(model)) == 10
    # What batch normalisation measures is no trainable parameter.
    assert counts.frozen == 4 * 2 * 4


def test_nested_models_are_frozen_layer_by_layer():
    base = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Conv2D(4, 3)]
    )
    model = keras.Sequential([base, layers.GlobalMaxPooling2D(), layers.Dense(2)])
    base.trainable = False
    unfreeze(model, fraction=0.5)
    assert [len(layer.trainable_weights) for layer in base.layers] == [0, 2]
    assert len(model.trainable_weights) == 4
    freeze_backbone(model)
    assert len(model.trainable_weights) == 2


def test_branches_with_layers_of_the_same_name_are_frozen_alike():
    inputs = keras.Input((8, 8, 3))
    branches = []
    for name in ("left", "right"):
        x = keras.Input((8, 8, 3))
        inner = keras.Model(x, layers.Conv2D(2, 3, name="conv")(x), name=name)
        branches.append(layers.GlobalMaxPooling2D()(inner(inputs)))
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(branches)))
    freeze_backbone(model)
    assert len(model.trainable_weights) == 2
    unfreeze(model)
    assert len(model.trainable_weights) == 6


def test_every_parameter_is_counted_in_a_built_model():
    model = build("mobilenet_v2", 4, **SMALL["mobilenet_v2"])
    counts = freeze_backbone(model)
    assert counts == (1280 * 4 + 4, 410_208)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fraction": 0}, "above 0"),
        ({"fraction": 30}, "at most 1"),
        ({"fraction": 0.5, "from_layer": "conv1"}, "not both"),
        ({"from_layer": "conv9"}, "Did you mean 'conv4'"),
    ],
)
def test_what_cannot_be_opened_is_refused(arguments, message):
    with pytest.raises(ModelError, match=message):
        unfreeze(network(), **arguments)

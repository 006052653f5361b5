import keras
import pytest
from keras import layers

from kerakd.errors import ModelError
from kerakd.models import build, multiply_adds, parameters


def count(*stack, shape=(8, 8, 3)):
    return multiply_adds(keras.Sequential([keras.Input(shape), *stack]))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(4, 3, padding="same"), 64 * 9 * 3 * 4),
        (layers.Conv2D(4, 3, strides=2, padding="same"), 16 * 9 * 3 * 4),
        (layers.Conv2D(6, 3, groups=3, padding="same"), 64 * 9 * 1 * 6),
        (layers.Conv2D(4, 3, dilation_rate=2, padding="same"), 64 * 9 * 3 * 4),
        (layers.DepthwiseConv2D(3, padding="same"), 64 * 9 * 3),
        (layers.DepthwiseConv2D(5, depth_multiplier=2), 16 * 25 * 6),
        (layers.SeparableConv2D(4, 3, padding="same"), 64 * (9 * 3 + 3 * 4)),
        (layers.Conv2DTranspose(4, 3, strides=2), 64 * 9 * 3 * 4),
        (layers.Dense(4), 64 * 3 * 4),
        (layers.EinsumDense("abcd,de->abce", (8, 8, 4)), 64 * 3 * 4),
        (layers.EinsumDense("...d,de->...e", 4), 64 * 3 * 4),
        (layers.BatchNormalization(), 0),
        (layers.MaxPooling2D(), 0),
    ],
)
def test_one_layer(layer, expected):
    assert count(layer) == expected


def test_attention_is_projections_and_two_products():
    inputs = keras.Input((10, 16))
    attended = layers.MultiHeadAttention(num_heads=2, key_dim=8)(inputs, inputs)
    model = keras.Model(inputs, attended)
    assert multiply_adds(model) == 4 * 10 * 16 * 16 + 2 * 10 * 10 * 16


def test_a_layer_called_twice_counts_twice_and_nesting_changes_nothing():
    dense = layers.Dense(4)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, dense(dense(inputs)))
    outer = keras.Input((4,))
    assert multiply_adds(model) == 2 * 16
    assert multiply_adds(keras.Model(outer, model(outer))) == 2 * 16


@pytest.mark.parametrize(
    ("name", "options", "millions", "parameter_count"),
    [
        # Papers and, for the parameters, keras.io.
        ("mobilenet_v2", {}, 300, 3_538_984),
        ("mobilenet_v2", {"alpha": 0.35}, 59, 1_691_208),
        ("resnet50", {}, 3860, 25_636_712),
        ("deit_small", {}, 4600, 22_436_432),
    ],
)
def test_published_numbers_at_224_pixels_and_1000_classes(
    name, options, millions, parameter_count
):
    model = build(name, 1000, **options)
    assert multiply_adds(model) == pytest.approx(millions * 1e6, rel=0.01)
    assert parameters(model) == parameter_count


def test_mobilenet_v3_small_as_published():
    model = keras.applications.MobileNetV3Small(input_shape=(224, 224, 3), weights=None)
    assert multiply_adds(model) == pytest.approx(56e6, rel=0.01)


def test_what_cannot_be_counted_is_refused_by_name():
    with pytest.raises(ModelError, match=r"'mine'.*not fixed|not fixed.*'mine'"):
        count(layers.Conv2D(4, 3, name="mine"), shape=(None, None, 3))
    with pytest.raises(ModelError, match="'memory'"):
        count(layers.LSTM(4, name="memory"), shape=(5, 3))

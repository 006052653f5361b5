import keras
import pytest

from kerakd.errors import ModelError
from kerakd.explain.layers import find_features
from kerakd.models import build
from tests.explain import tiny


def test_the_layer_is_the_last_map_before_pooling_and_never_a_1x1(flat):
    assert find_features(flat).name == "out"
    # tf-keras-vis would take the 1x1 convolution behind the pooling.
    mobile = build("mobilenet_v3_small", 3, (64, 64, 3), alpha=0.5)
    found = find_features(mobile)
    assert found.tensor.shape[1:3] == (2, 2)
    # The map that a max pooling at the end coarsens, not the pooled one.
    plain = build("plain_cnn", 3, (64, 64, 1), width=0.1)
    assert find_features(plain).name == "conv5_relu"


def test_of_a_segmentation_network_it_is_the_bottleneck(unet):
    assert find_features(unet).name == "bottleneck"
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(2, 3, padding="same")(image)
    free = keras.Model(image, keras.layers.Conv2D(2, 1)(x))
    with pytest.raises(ModelError, match="name the layer"):
        find_features(free)


def test_of_deit_it_is_the_tokens_that_enter_the_last_block(deit):
    found = find_features(deit)
    assert found.name == "block1"
    assert found.tokens == (2, 2, 3)


def test_a_layer_inside_a_nested_model_can_be_named():
    model = tiny.nested()
    assert find_features(model, "relu").tensor.shape[1:3] == (12, 12)
    assert find_features(model, "backbone/relu").name == "backbone/relu"


def test_normalised_pixels_are_no_feature_map():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Flatten()(x)
    with pytest.raises(ModelError, match="no feature map"):
        find_features(keras.Model(image, keras.layers.Dense(2)(x)))


def test_a_finer_layer_has_twice_the_cells(flat):
    from kerakd.explain.layers import finer_layer

    assert finer_layer(flat) == "relu"  # 12x12 before the 6x6 of "out"
    assert finer_layer(tiny.seeing(0, 0)) is None

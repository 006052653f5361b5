"""The check that both sides compute the same can fail, and says where."""

import numpy as np
import pytest

from kerakd.compress.bridge.check import check_equal
from kerakd.compress.bridge.replay import replay
from kerakd.compress.bridge.weights import carry_over
from kerakd.errors import ModelError
from tests.compress.bridge.networks import small_unet


@pytest.fixture(scope="module")
def crossing():
    flat = small_unet()
    legacy, stations = replay(flat)
    carry_over(flat, legacy)
    return flat, legacy, stations


def test_equal_networks_pass(crossing):
    assert check_equal(*crossing, 1e-5, 0) <= 1e-5


def test_the_first_layer_that_differs_is_named(crossing):
    _, legacy, _ = crossing
    layer = legacy.get_layer("bridge_bottleneck_a_conv")
    kernel = layer.kernel
    before = kernel.numpy()
    kernel.assign(before * 1.5)
    try:
        with pytest.raises(ModelError, match="first layer that differs is 'bottleneck"):
            check_equal(*crossing, 1e-5, 0)
    finally:
        kernel.assign(before)


def test_a_network_that_gives_nan_is_not_called_equal(crossing):
    flat, _, _ = crossing
    bias = flat.get_layer("logits").bias
    before = np.asarray(bias)
    bias.assign(before * np.nan)
    try:
        with pytest.raises(ModelError, match="not finite"):
            check_equal(*crossing, 1e-5, 0)
    finally:
        bias.assign(before)

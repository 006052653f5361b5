import keras
import numpy as np
import pytest
from keras import layers

from kerakd.errors import ModelError
from kerakd.models import set_batch_norm_momentum


def nested():
    inner = keras.Sequential([keras.Input((4,)), layers.BatchNormalization()])
    return keras.Sequential([inner, layers.BatchNormalization(), layers.Dense(1)])


def test_statistics_follow_at_the_momentum_that_was_set():
    model = nested()
    assert set_batch_norm_momentum(model, 0.25) == 2
    model(np.full((8, 4), 4.0, "float32"), training=True)
    inner = model.layers[0].layers[0]
    np.testing.assert_allclose(inner.moving_mean, 0.75 * 4.0)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, "0.9", True])
def test_a_momentum_out_of_range_is_refused(momentum):
    with pytest.raises(ModelError, match="momentum"):
        set_batch_norm_momentum(nested(), momentum)

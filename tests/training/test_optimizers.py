import keras
import numpy as np
import pytest
import tensorflow as tf

from kerakd.training.optimizers import build_optimizer
from kerakd.training.options import TrainingOptions


def make(model, **options):
    options = TrainingOptions(**options)
    return build_optimizer(options, options.learning_rate, model.trainable_variables)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_weight_decay_takes_from_kernels_only(net, name):
    model = net()
    optimizer = make(model, optimizer=name, learning_rate=0.5, weight_decay=0.1)
    variables = model.trainable_variables
    for variable in variables:
        variable.assign(keras.ops.ones_like(variable))
    optimizer.apply_gradients([(tf.zeros(v.shape), v) for v in variables])
    decayed = {v.path: np.unique(v.numpy()).tolist() for v in variables}
    kernels = [path for path in decayed if path.endswith("kernel")]
    assert len(kernels) == 2 and len(decayed) == 6
    for path, values in decayed.items():
        expected = [np.float32(0.95)] if path in kernels else [1.0]
        assert values == pytest.approx(expected), path


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"optimizer": "adam"}, keras.optimizers.Adam),
        ({"optimizer": "adamw"}, keras.optimizers.AdamW),
        ({"optimizer": "sgd", "momentum": 0.8}, keras.optimizers.SGD),
    ],
)
def test_kind_and_settings(net, options, kind):
    optimizer = make(net(), clip_norm=2.0, gradient_accumulation=3, **options)
    assert type(optimizer) is kind and optimizer.built
    assert optimizer.global_clipnorm == 2.0
    assert optimizer.gradient_accumulation_steps == 3
    assert getattr(optimizer, "momentum", 0.8) == 0.8


def test_float16_scales_the_loss(net):
    optimizer = make(net(), mixed_precision="float16")
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    assert optimizer.inner_optimizer.built

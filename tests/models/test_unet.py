import keras
import numpy as np
import pytest

from kerakd.errors import ModelError
from kerakd.models import build, ends_in_logits, taps

SMALL = {"filters": (4, 6, 8, 8, 8)}
LEVELS = [f"encoder_{i}" for i in range(1, 5)] + ["bottleneck"]
LEVELS += [f"decoder_{i}" for i in range(4, 0, -1)]


def _counts(model):
    fixed = sum(int(np.prod(w.shape)) for w in model.non_trainable_weights)
    return model.count_params(), fixed


def test_student_has_the_seeds_parameters():
    assert _counts(build("unet_student", 2)) == (608_589, 2_944)


def test_teacher_has_the_seeds_parameters():
    assert _counts(build("unet_teacher", 2)) == (8_639_778, 0)


def test_teacher_can_be_separable_with_batch_norm():
    model = build("unet_teacher", 2, separable=True, batch_norm=True)
    kinds = [type(layer) for layer in model.layers]
    assert kinds.count(keras.layers.SeparableConv2D) == 18
    assert kinds.count(keras.layers.BatchNormalization) == 18
    assert model.count_params() < 8_639_778 / 3


@pytest.mark.parametrize("name", ["unet_student", "unet_teacher"])
def test_any_multiple_of_16_and_any_channels(name):
    model = build(name, 4, (48, 16, 5), **SMALL)
    assert model.output_shape == (None, 48, 16, 4)
    assert ends_in_logits(model)
    assert model.layers[-1].name == "logits"


def test_every_level_can_be_tapped():
    model = build("unet_student", 2, (32, 32, 1), **SMALL)
    maps = taps(model, LEVELS).output
    sides = [maps[name].shape[1] for name in LEVELS]
    assert sides == [32, 16, 8, 4, 2, 4, 8, 16, 32]
    widths = [maps[name].shape[-1] for name in LEVELS]
    assert widths == [4, 6, 8, 8, 8, 8, 8, 6, 4]


def test_dropout_by_level():
    rates = (0.0, 0.1, 0.0, 0.0, 0.4)
    model = build("unet_teacher", 2, (16, 16, 3), dropout=rates, **SMALL)
    found = {x.name: x.rate for x in model.layers if hasattr(x, "rate")}
    assert found == {"encoder_2_dropout": 0.1, "bottleneck_dropout": 0.4}


def test_one_rate_is_the_bottlenecks():
    model = build("unet_student", 2, (16, 16, 3), **SMALL)
    found = {x.name: x.rate for x in model.layers if hasattr(x, "rate")}
    assert found == {"bottleneck_dropout": 0.3}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"input_shape": (100, 128, 3)}, "multiples of 16"),
        ({"filters": (16,)}, "two or more levels"),
        ({"filters": (16, 0)}, "`filters`"),
        ({"filters": 16}, "list the filters"),
        ({"dropout": (0.1, 0.2)}, "each of the 5 levels"),
        ({"dropout": 1.0}, "`dropout`"),
        ({"negative_slope": -1}, "`negative_slope`"),
        ({"num_classes": 1}, "`num_classes`"),
    ],
)
def test_out_of_range_is_refused(arguments, words):
    arguments = {"num_classes": 2, **arguments}
    with pytest.raises(ModelError, match=words):
        build("unet_student", **arguments)

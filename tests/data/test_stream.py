"""The batches without tf.data are those of tf.data."""

import numpy as np
import pytest
import tensorflow as tf

from kerakd.data import batches
from kerakd.data.augment import Augmentation, apply, numpy_applying
from kerakd.data.augment.numpy_operators import apply_operators
from kerakd.data.augment.randaugment import OPERATORS
from kerakd.data.stream import Stream
from kerakd.errors import RecipeError
from tests.data.pictures import make_samples

SIZE = (20, 16)
POLICIES = {
    "none": None,
    "flips": {"horizontal_flip": True, "vertical_flip": True},
    "warp": {"horizontal_flip": True, "rotation": 25.0, "scale": 0.2, "shear": 10.0},
    "colour": {"brightness": 0.3, "contrast": 0.3, "saturation": 0.4},
    "mixed": Augmentation.preset("full", mixup=0.4, cutmix=1.0),
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return make_samples(tmp_path_factory.mktemp("images"), count=11)


def assert_close(stream, dataset, levels):
    """Equal labels, weights and order; pixels to so many grey levels."""
    found, expected = list(stream), list(dataset.as_numpy_iterator())
    assert len(found) == len(expected) == len(stream)
    largest = 0.0
    for (x, *rest), (wanted, *others) in zip(found, expected, strict=True):
        tf.nest.assert_same_structure(x, wanted)
        for one, other in zip(tf.nest.flatten(x), tf.nest.flatten(wanted), strict=True):
            assert one.dtype == other.dtype == np.float32
            assert one.shape == other.shape
            largest = max(largest, float(np.abs(one - other).max()))
        for one, other in zip(rest, others, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_allclose(one, other, rtol=1e-6)
    assert largest <= levels
    return largest


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", POLICIES)
def test_pixels_are_those_of_tf_data(samples, name, channels):
    data = batches(
        samples,
        SIZE,
        channels=channels,
        batch_size=4,
        shuffle=True,
        seed=3,
        augment=POLICIES[name],
        class_weight="balanced",
    )
    exact = name in ("none", "flips")
    assert_close(data.stream(epochs=2), data.dataset(epochs=2), 0 if exact else 1)


def test_a_stream_continues_at_any_step(samples):
    data = batches(samples, SIZE, batch_size=4, shuffle=True, augment="full")
    whole = list(data.stream(epochs=3))
    for step in (0, 1, 3, 7, 9):
        rest = data.stream(epochs=3, start_step=step)
        assert len(rest) == 9 - step
        for one, other in zip(rest, whole[step:], strict=True):
            tf.nest.map_structure(np.testing.assert_array_equal, one, other)
    with pytest.raises(RecipeError, match="start_step must be from 0 to 9"):
        data.stream(epochs=3, start_step=10)


def test_a_view_in_table_order_and_two_sizes(samples):
    sizes = {"student": (SIZE, 1), "teacher": ((24, 24), 3)}
    data = batches(samples, sizes=sizes, batch_size=4, augment="flip", views=2)
    from kerakd.data import numpy_batches

    view = numpy_batches.at_view(data, 1, with_index=True)
    assert_close(view, data.at_view(1), 0)
    assert np.concatenate([index for _, index in view]).tolist() == list(range(11))


@pytest.mark.parametrize("operator", range(len(OPERATORS)), ids=OPERATORS)
def test_operators_are_keras_cvs(samples, operator):
    """Alone and after another one, at strengths of both signs."""
    from kerakd.data.augment import pixel_operators

    images = next(iter(batches(samples, SIZE, batch_size=8).stream()))[0]
    first = OPERATORS.index("brightness")
    operators = np.array([[operator, operator], [first, operator]] * 4, np.int32)
    strengths = np.linspace(-1, 1, 16, dtype=np.float32).reshape(8, 2)
    found = apply_operators(images, operators, strengths)
    expected = pixel_operators.apply_operators(
        tf.constant(images), tf.constant(operators), tf.constant(strengths)
    )
    assert np.abs(found - expected.numpy()).max() <= 1.0
    if OPERATORS[operator] not in ("identity", "rotate") and operator < 9:
        assert np.abs(found - images).max() > 1.0


def test_mixing_needs_partners(samples):
    images = np.zeros((1, 4, 4, 3), np.uint8)
    policy = POLICIES["mixed"]
    with pytest.raises(RecipeError, match="partner_images"):
        numpy_applying.apply(Augmentation.of({"mixup": 0.4}), {"mix_box": None}, images)
    assert policy.mixes and apply(None, {}, images).dtype == tf.float32


def test_a_stream_is_cut_and_changed():
    stream = Stream(lambda number: (number, -number), 3, 4)
    assert list(stream) == [(3, -3), (4, -4), (5, -5), (6, -6)]
    assert list(stream.take(2)) == [(3, -3), (4, -4)]
    assert list(stream.map(lambda x, y: x - y)) == [6, 8, 10, 12]
    with pytest.raises(IndexError):
        stream[4]


def test_a_part_draws_as_the_whole_does(samples):
    data = batches(samples, SIZE, batch_size=3, augment="flip_rotation", views=2)
    part = data.part(range(3, 8))
    whole = np.concatenate([x for x, _ in data.at_view(1)])
    found = np.concatenate([x for x, _ in part.at_view(1)])
    np.testing.assert_array_equal(found, whole[3:8])
    mixed = batches(samples, SIZE, augment={"mixup": 0.4})
    with pytest.raises(RecipeError, match="taken apart"):
        mixed.part(range(2))

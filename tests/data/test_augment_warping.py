import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from kerakd.data.augment import Augmentation, apply, draw, warping
from kerakd.data.augment import drawing as drawing_module
from kerakd.data.decode import resize
from tests.data.pictures import smooth

SIZES = [(24, 24), (17, 24), (16, 21)]


def geometry(**values):
    """A draw of one sample with these parameters."""
    table = {
        "rotation": np.array([values.get("rotation", 0.0)]),
        "translation": np.array([values.get("translation", (0.0, 0.0))]),
        "scale": np.array([values.get("scale", 1.0)]),
        "shear": np.array([values.get("shear", 0.0)]),
    }
    for name in ("horizontal_flip", "vertical_flip"):
        table[name] = np.array([values.get(name, False)])
    matrix, shift = drawing_module._compose(table)
    return {**table, "matrix": matrix, "shift": shift}


def warped(image, **values):
    draws = geometry(**values)
    moved = warping.warp(
        tf.cast(image[None], tf.float32), draws["matrix"], draws["shift"]
    )
    return moved[0].numpy()


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def correlation(one, other, margin=0.25):
    """Of the interior, where no black comes in."""
    rows, columns = (int(side * margin) for side in one.shape[:2])
    inside = np.s_[rows : -rows or None, columns : -columns or None]
    return np.corrcoef(one[inside].ravel(), other[inside].ravel())[0, 1]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_identity_keeps_every_bit(size, channels):
    image = noise(*size, channels)
    np.testing.assert_array_equal(warped(image), image)


@pytest.mark.parametrize("size", SIZES)
def test_mirrors_equal_those_of_tensorflow(size):
    image = noise(*size, 3)
    for name, flip in [
        ("horizontal_flip", tf.image.flip_left_right),
        ("vertical_flip", tf.image.flip_up_down),
    ]:
        np.testing.assert_array_equal(warped(image, **{name: True}), flip(image))


def test_cheap_flips_equal_those_of_tensorflow():
    images = noise(6, 9, 12, 3)
    left = np.array([True, False, True, False, True, False])
    up = np.array([True, True, False, False, False, True])
    found = warping.flip(tf.constant(images), left, up).numpy()
    for image, result, is_left, is_up in zip(images, found, left, up, strict=True):
        expected = image[:, ::-1] if is_left else image
        expected = expected[::-1] if is_up else expected
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("everything", [True, False])
def test_a_batch_that_turns_as_a_whole(everything):
    images = noise(3, 4, 5, 1)
    found = warping.flip(tf.constant(images), np.full(3, everything))
    np.testing.assert_array_equal(found, images[:, :, ::-1] if everything else images)


@pytest.mark.parametrize("degrees", [15.0, -15.0, 40.0])
def test_rotation_is_counter_clockwise_and_of_that_angle(degrees):
    image = smooth(65, 65).astype(np.float32)
    # scipy turns from the first axis (down) to the second (right): counter-clockwise.
    expected = ndimage.rotate(image, degrees, reshape=False, order=1)
    assert correlation(warped(image, rotation=degrees), expected) > 0.9999
    assert correlation(warped(image, rotation=-degrees), expected) < 0.98
    dot = np.zeros((65, 65, 1), np.float32)
    dot[32, 60] = 255  # at three o'clock
    place = np.unravel_index(warped(dot, rotation=90.0).argmax(), (65, 65))
    assert place == (4, 32)  # at twelve


def test_translation_moves_right_and_down_and_leaves_black():
    image = noise(20, 40, 3) // 2 + 100
    moved = warped(image, translation=(0.25, -0.1))
    np.testing.assert_allclose(moved[:18, 10:], image[2:, :30], atol=1e-3)
    assert (moved[18:] == 0).all()
    assert (moved[:, :10] == 0).all()


def test_scale_above_one_enlarges():
    image = smooth(64, 64).astype(np.float32)
    matrix = np.diag([1 / 1.25, 1 / 1.25, 1])
    offset = 31.5 - matrix[0, 0] * 31.5
    expected = ndimage.affine_transform(image, matrix, [offset, offset, 0], order=1)
    assert correlation(warped(image, scale=1.25), expected) > 0.9999
    dot = np.zeros((65, 65, 1), np.float32)
    dot[32, 40] = 255
    assert np.argmax(warped(dot, scale=1.25)[32]) == 42


def test_shear_slants_by_its_angle():
    dot = np.zeros((65, 65, 1), np.float32)
    dot[52, 32] = 255  # 20 below the centre
    place = np.argmax(warped(dot, shear=np.degrees(np.arctan(0.5)))[52])
    assert place == 42


def test_one_transform_in_the_stated_order():
    image = smooth(96, 96).astype(np.float32)
    values = {"scale": 0.9, "shear": 8.0, "rotation": 12.0, "translation": (0.05, 0.1)}
    together = warped(image, horizontal_flip=True, **values)
    steps = warped(image, horizontal_flip=True)
    for name, value in values.items():
        steps = warped(steps, **{name: value})
    # Interpolated four times, not once.
    assert correlation(together, steps) > 0.999
    backwards = warped(image, horizontal_flip=True)
    for name, value in reversed(values.items()):
        backwards = warped(backwards, **{name: value})
    assert correlation(together, backwards) < correlation(together, steps)


@pytest.mark.parametrize("name", ["flip_rotation", "flip_affine"])
def test_one_draw_is_one_transform_at_128_and_224(name):
    policy = Augmentation.preset(name)
    ids = [str(n) for n in range(6)]
    draws = draw(policy, 0, 0, ids)
    large = np.stack([smooth(224, 224)] * 6)
    small = np.stack([resize(image, (128, 128)) for image in large])
    large = apply(policy, draws, large).numpy()
    small = apply(policy, draws, small).numpy()
    for one, other in zip(large, small, strict=True):
        reduced = resize(np.rint(one).astype(np.uint8), (128, 128)).astype(np.float32)
        inside = np.s_[32:-32, 32:-32]
        assert np.abs(reduced[inside] - other[inside]).max() < 2
        # Black comes in at the same places too.
        assert np.abs((reduced < 1).mean() - (other < 1).mean()) < 0.01

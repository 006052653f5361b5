import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from kerakd.data.augment import Augmentation, apply, colour, draw, mix_labels
from kerakd.data.augment.mixing import mix_images
from kerakd.data.augment.randaugment import OPERATORS
from kerakd.errors import RecipeError
from tests.data.pictures import smooth

IDS = [f"{n}.png" for n in range(11)]
RANDAUGMENT = {"operations": 2, "magnitude": 0.5}


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def augmented(policy, chosen, images, channels=3):
    """The chosen images, applied as one batch."""
    draws = draw(policy, 0, 0, [IDS[n] for n in chosen], IDS)
    if not policy.mixes:
        return apply(policy, draws, images[chosen]).numpy()
    by_id = np.argsort(IDS)
    partners = by_id[draws["partner"]]
    theirs = draw(policy, 0, 0, [IDS[n] for n in partners], IDS)
    return apply(policy, draws, images[chosen], theirs, images[partners]).numpy()


@pytest.mark.parametrize(
    "policy",
    [
        Augmentation.preset("flip"),
        Augmentation.preset("full"),
        Augmentation.preset("flip_rotation_jitter", cutmix=1.0, mixup=0.4),
        Augmentation(randaugment=RANDAUGMENT),
    ],
    ids=["flip", "full", "mixed", "randaugment"],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_depend_on_no_batch_and_no_order(policy, channels):
    # 13 x 19: no row ends where the processor's vectors end.
    images = noise(len(IDS), 13, 19, channels)
    whole = augmented(policy, np.arange(len(IDS)), images)
    assert whole.shape == images.shape
    assert whole.dtype == np.float32
    assert whole.min() >= 0
    assert whole.max() <= 255
    assert np.isfinite(whole).all()
    backwards = augmented(policy, np.arange(len(IDS))[::-1], images)
    np.testing.assert_array_equal(backwards, whole[::-1])
    for n in range(len(IDS)):
        alone = augmented(policy, np.array([n]), images)
        np.testing.assert_array_equal(alone[0], whole[n])


def test_no_policy_gives_the_pixels_as_float():
    images = noise(2, 5, 6, 3)
    found = apply(None, {}, images)
    assert found.dtype == tf.float32
    np.testing.assert_array_equal(found, images)


def test_jitter_by_one_keeps_every_bit():
    images = noise(3, 9, 11, 3).astype(np.float32)
    one = np.ones(3, np.float32)
    np.testing.assert_array_equal(colour.jitter(images, one, one, one), images)


@pytest.mark.parametrize("factor", [0.6, 1.3])
@pytest.mark.parametrize(
    ("name", "enhance"),
    [
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("saturation", ImageEnhance.Color),
    ],
)
def test_jitter_is_what_pillow_calls_so(name, enhance, factor):
    # Grey on average, so that Pillow's mean of the luma is the mean of the channels.
    image = smooth(32, 32) // 2 + 60
    if name == "contrast":
        image = np.repeat(image[..., :1], 3, axis=-1)
    expected = np.asarray(enhance(Image.fromarray(image)).enhance(factor))
    factors = {name: np.array([factor], np.float32)}
    found = colour.jitter(image[None].astype(np.float32), **factors)[0].numpy()
    assert np.abs(found - expected).max() < 2
    assert np.abs(found - image).max() > 5


def test_saturation_leaves_grey_images():
    grey = np.repeat(noise(2, 8, 8, 1), 3, axis=-1).astype(np.float32)
    factors = np.array([0.2, 1.7], np.float32)
    np.testing.assert_allclose(colour.jitter(grey, saturation=factors), grey, rtol=1e-5)
    one_channel = grey[..., :1]
    np.testing.assert_array_equal(
        colour.jitter(one_channel, saturation=factors), one_channel
    )


def test_black_that_comes_in_stays_black_under_jitter():
    policy = Augmentation(rotation=45.0, brightness=0.5, contrast=0.5)
    draws = draw(policy, 0, 0, IDS)
    draws["matrix"] = np.broadcast_to(np.diag([4.0, 4.0]), draws["matrix"].shape)
    corners = apply(policy, draws, noise(len(IDS), 16, 16, 3) // 2 + 100)[:, 0, 0]
    assert (corners.numpy() == 0).all()


def test_cutmix_pastes_the_share_of_the_label():
    policy = Augmentation(cutmix=1.0)
    images = np.zeros((len(IDS), 24, 31, 1), np.uint8)
    partners = np.full_like(images, 255)
    draws = draw(policy, 0, 0, IDS, IDS)
    for size in (24, 31), (57, 40):
        images = np.zeros((len(IDS), *size, 1), np.uint8)
        partners = np.full_like(images, 255)
        mixed = apply(policy, draws, images, draws, partners).numpy() / 255
        np.testing.assert_allclose(
            mixed.mean(axis=(1, 2, 3)), draws["mix_share"], atol=1e-5
        )
        # Inside and outside of the box there is one image alone.
        assert (((mixed < 1e-6) | (mixed > 1 - 1e-6)).mean(axis=(1, 2, 3)) > 0.7).all()


def test_mixup_blends_everywhere_by_the_share_of_the_label():
    draws = draw(Augmentation(mixup=0.4), 0, 0, IDS, IDS)
    ones = np.ones((len(IDS), 6, 7, 3), np.float32)
    mixed = mix_images(100 * ones, 200 * ones, draws).numpy()
    expected = 100 * (1 + draws["mix_share"])[:, None, None, None] * ones
    np.testing.assert_allclose(mixed, expected, rtol=1e-6)


def test_mixed_labels_sum_to_one():
    draws = draw(Augmentation(mixup=0.4, cutmix=1.0), 0, 0, IDS, IDS)
    own = tf.one_hot(np.arange(len(IDS)) % 3, 4)
    theirs = tf.one_hot(np.arange(len(IDS)) % 2, 4)
    mixed = mix_labels(own, theirs, draws).numpy()
    np.testing.assert_allclose(mixed.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(
        mixed[2], [draws["mix_share"][2], 0, 1 - draws["mix_share"][2], 0], atol=1e-6
    )


def test_mixing_without_partners_is_refused():
    policy = Augmentation(mixup=0.4)
    draws = draw(policy, 0, 0, IDS, IDS)
    with pytest.raises(RecipeError, match="partner_images="):
        apply(policy, draws, noise(len(IDS), 4, 4, 3))


def with_operator(name, strength, image):
    from kerakd.data.augment.pixel_operators import apply_operators

    operators = np.array([[OPERATORS.index(name)]], np.int32)
    strengths = np.array([[strength]], np.float32)
    images = tf.constant(image[None], tf.float32)
    return apply_operators(images, operators, strengths)[0].numpy()


@pytest.mark.parametrize("name", OPERATORS)
def test_pixel_operators_act_and_geometric_ones_leave_the_pixels(name):
    image = smooth(24, 24) // 2 + 40
    changed = (with_operator(name, 0.5, image) != image).any()
    geometric = name == "identity" or name.startswith(("rotate", "shear", "translate"))
    assert changed != geometric


def test_operators_at_a_drawn_strength():
    image = smooth(24, 24)
    np.testing.assert_array_equal(with_operator("posterize", 1.0, image), image & 0xF0)
    np.testing.assert_array_equal(with_operator("posterize", -0.5, image), image & 0xFC)
    solarized = with_operator("solarize", 0.5, image)
    np.testing.assert_array_equal(
        solarized, np.where(image < 127.5, image, 255 - image.astype(int))
    )
    brighter = with_operator("brightness", 0.2, image)
    np.testing.assert_allclose(brighter, (image + 25.5).clip(0, 255), atol=1e-4)
    stretched = with_operator("auto_contrast", 0.5, image // 2)
    np.testing.assert_allclose(stretched.min(axis=(0, 1)), 0, atol=1e-3)
    np.testing.assert_allclose(stretched.max(axis=(0, 1)), 255, atol=1e-3)
    rough = [np.abs(np.diff(x, axis=0)).mean() for x in sharpened(noise(24, 24, 3))]
    assert rough[0] < rough[1] < rough[2]


def sharpened(image):
    """Smoothed, untouched, sharpened."""
    yield with_operator("sharpness", 0.8, image)
    yield image.astype(np.float32)
    yield with_operator("sharpness", -0.8, image)


def test_geometric_operators_join_the_one_transform():
    policy = Augmentation(randaugment={"operations": 1, "magnitude": 0.5})
    ids = [str(n) for n in range(400)]
    table = draw(policy, 0, 0, ids)
    turned = table["operators"][:, 0] == OPERATORS.index("rotate")
    assert turned.sum() > 10
    angle = np.degrees(np.arctan2(table["matrix"][:, 1, 0], table["matrix"][:, 0, 0]))
    np.testing.assert_allclose(
        angle[turned], 30 * table["strengths"][turned, 0], atol=1e-4
    )
    moved = table["operators"][:, 0] == OPERATORS.index("translate_y")
    assert (table["shift"][moved, 1] != 0).all()
    assert (table["shift"][moved, 0] == 0).all()
    still = table["operators"][:, 0] < OPERATORS.index("rotate")
    np.testing.assert_array_equal(
        table["matrix"][still], np.broadcast_to(np.eye(2), (still.sum(), 2, 2))
    )

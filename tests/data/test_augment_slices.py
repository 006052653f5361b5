import numpy as np
import pytest
from scipy import ndimage

from kerakd.data.augment import Augmentation, apply_to_slices, draw
from kerakd.data.pipeline import ImageBatches
from kerakd.errors import RecipeError
from tests.data.image_folders import make_samples

IDS = [f"case{n}/{n:03d}" for n in range(12)]


@pytest.fixture(scope="module")
def slices():
    random = np.random.default_rng(0)
    noise = random.normal(size=(12, 32, 40, 3))
    images = ndimage.gaussian_filter(noise, (0, 3, 3, 0)).astype(np.float32) * 5
    rows, columns = np.mgrid[:32, :40]
    brain = (rows - 16) ** 2 / 196 + (columns - 20) ** 2 / 324 < 1
    images *= brain[None, ..., None]
    masks = ((images[..., 0] > 0.3) & brain).astype(np.uint8)
    assert masks.any(axis=(1, 2)).all()
    return images, masks


def applied(policy, slices, view=0):
    draws = draw(policy, 1, view, IDS)
    images, masks = apply_to_slices(policy, draws, *slices)
    return images.numpy(), masks.numpy(), draws


def test_nothing_asked_nothing_done(slices):
    images, masks = apply_to_slices(None, {}, *slices)
    np.testing.assert_array_equal(images, slices[0])
    np.testing.assert_array_equal(masks, slices[1])
    assert (images.dtype, masks.dtype) == ("float32", "int32")


def test_flips_turn_image_and_mask_alike(slices):
    policy = Augmentation(horizontal_flip=True, vertical_flip=True)
    images, masks, draws = applied(policy, slices)
    for n in range(12):
        step = (
            -1 if draws["vertical_flip"][n] else 1,
            (-1 if draws["horizontal_flip"][n] else 1),
        )
        np.testing.assert_array_equal(images[n], slices[0][n, :: step[0], :: step[1]])
        np.testing.assert_array_equal(masks[n], slices[1][n, :: step[0], :: step[1]])


@pytest.mark.parametrize(
    "options",
    [
        {"rotation": 40.0, "scale": 0.2, "translation": 0.1, "horizontal_flip": True},
        {"elastic": 0.08},
        {"elastic": 0.05, "rotation": 30.0, "vertical_flip": True},
    ],
)
def test_the_mask_stays_on_what_it_marks(slices, options):
    # An image that is its own mask: what is moved is told by the image.
    own = slices[1].astype(np.float32)[..., None]
    images, masks, _ = applied(Augmentation(**options), (own, slices[1]))
    assert set(np.unique(masks)) <= {0, 1}
    assert (masks != slices[1]).mean() > 0.02
    # Bilinear and nearest differ by less than half where a pixel is not on an edge.
    sure = np.abs(images[..., 0] - 0.5) > 0.499
    assert sure.mean() > 0.6
    np.testing.assert_array_equal((images[..., 0] > 0.5)[sure], (masks > 0)[sure])


def test_bending_by_nothing_is_the_linear_transform(slices):
    options = {"rotation": 30.0, "scale": 0.1, "shear": 5.0}
    linear, mask, draws = applied(Augmentation(**options), slices)
    policy = Augmentation(**options, elastic=0.01)
    draws = draws | {"elastic": np.zeros((12, 4, 4, 2), np.float32)}
    bent, bent_mask = apply_to_slices(policy, draws, *slices)
    np.testing.assert_allclose(bent, linear, atol=2e-3)
    assert (bent_mask.numpy() != mask).mean() < 2e-3


def test_intensities_change_inside_the_brain_alone(slices):
    policy = Augmentation(intensity=0.3, bias_field=0.4)
    images, masks, draws = applied(policy, slices)
    outside = (slices[0] == 0).all(axis=-1)
    assert not images[outside].any()
    assert (images[~outside] != slices[0][~outside]).mean() > 0.99
    np.testing.assert_array_equal(masks, slices[1])
    only = Augmentation(intensity=0.3)
    images, _, draws = applied(only, slices)
    gain, offset = draws["intensity"][4, 1]
    inside = ~outside[4]
    expected = slices[0][4, ..., 1][inside] * gain + offset
    np.testing.assert_allclose(images[4, ..., 1][inside], expected, rtol=1e-5)
    assert abs(gain - 1) <= 0.3
    assert abs(offset) <= 0.3


def test_a_gain_acts_on_the_signal(slices):
    policy = Augmentation(bias_field=0.4)
    draws = {"bias_field": np.full((12, 3, 3), np.log(1.2), np.float32)}
    images, _ = apply_to_slices(policy, draws, *slices)
    inside = (slices[0] != 0).any(axis=-1)
    np.testing.assert_allclose(
        images.numpy()[inside], (slices[0][inside] + 3) * 1.2 - 3, atol=1e-4
    )


def test_a_slice_looks_the_same_in_any_batch(slices):
    policy = Augmentation.preset("slices")
    whole = draw(policy, 5, 2, IDS)
    few = draw(policy, 5, 2, [IDS[7], IDS[3]])
    images, masks = apply_to_slices(policy, whole, *slices)
    chosen = [7, 3]
    again = apply_to_slices(policy, few, slices[0][chosen], slices[1][chosen])
    np.testing.assert_allclose(again[0], images.numpy()[chosen], atol=1e-6)
    np.testing.assert_array_equal(again[1], masks.numpy()[chosen])


def test_draws_of_slices_leave_the_others_as_they_were():
    policy = Augmentation(
        rotation=15.0, randaugment={"operations": 2, "magnitude": 0.5}
    )
    before = draw(policy, 0, 0, IDS)
    more = Augmentation.from_config(policy.get_config() | {"bias_field": 0.2})
    after = draw(more, 0, 0, IDS)
    for name, column in before.items():
        np.testing.assert_array_equal(column, after[name])
    # Written down once: a change here changes every resumed run.
    row = draw(Augmentation(elastic=0.2), 0, 0, ["a"])["elastic"]
    assert row.shape == (1, 4, 4, 2)
    one = draw(Augmentation(elastic=0.2, intensity=0.5), 0, 0, ["a"])["elastic"]
    np.testing.assert_array_equal(row, one)


def test_pictures_and_slices_have_each_their_own():
    samples = make_samples([("a", "x", "a"), ("b", "y", "b")])
    with pytest.raises(RecipeError, match="elastic, intensity are for slices"):
        ImageBatches(samples, 8, augment={"elastic": 0.1, "intensity": 0.1})
    with pytest.raises(RecipeError, match=r"elastic must be from 0 to 0\.2"):
        Augmentation(elastic=0.3)

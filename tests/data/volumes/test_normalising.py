import numpy as np
import pytest

from kerakd.data.volumes import CaseError, find_cases, normalise, read_case
from kerakd.data.volumes.normalising import brain_mask
from tests.data.volumes import made

ALL = ("t1", "t1ce", "t2", "flair")


@pytest.fixture
def read(tmp_path):
    made.write_case(tmp_path)
    return read_case(find_cases(tmp_path)[0], ALL, "brats2018-2021")


def test_mean_0_and_deviation_1_inside_and_0_outside(read):
    images, brain = normalise(read)
    inside = images[brain].astype(np.float64)
    np.testing.assert_allclose(inside.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(inside.std(axis=0), 1, atol=1e-5)
    assert not images[~brain].any()
    np.testing.assert_array_equal(brain, (read.images != 0).any(axis=-1))


def test_volumes_that_were_normalised_before_come_out_the_same(read):
    images, brain = normalise(read)
    # As in the 2015 data: the background has become a negative constant.
    for channel in range(4):
        volume = read.images[..., channel]
        volume -= volume.mean()
        volume /= volume.std()
    again, brain_again = normalise(read)
    np.testing.assert_array_equal(brain, brain_again)
    np.testing.assert_allclose(again, images, atol=1e-4)


def test_values_of_0_inside_a_normalised_brain_stay_in_it(read):
    images, brain = normalise(read)
    read.images[:] = images
    centre = tuple(n // 2 for n in brain.shape)
    read.images[(*centre, 0)] = 0.0
    assert brain_mask(read)[centre]


def test_air_that_is_noise_is_cut_and_holes_are_filled(tmp_path):
    made.write_tif_case(tmp_path)
    read = read_case(find_cases(tmp_path)[0], ("t1", "flair"), "tumour-255")
    read.images[:, 14:18, 14:18] = 0  # a ventricle, dark in every modality
    brain = brain_mask(read)
    rows, columns = np.mgrid[:32, :32]
    inside = (rows - 16) ** 2 + (columns - 16) ** 2 < 150
    np.testing.assert_array_equal(brain[3], inside)


def test_the_mask_that_the_data_bring_is_taken(tmp_path):
    volumes, _ = made.head()
    place = tmp_path / "brats_2013_pat0001_1"
    mask = np.zeros(made.SHAPE, np.uint8)
    mask[8:12, 8:16, 2:4] = 1
    made.save(place / "Flair.nii.gz", volumes["flair"])
    made.save(place / "brainmask.nii.gz", mask)
    read = read_case(find_cases(tmp_path)[0], ("flair",))
    np.testing.assert_array_equal(brain_mask(read), mask.transpose(2, 1, 0) > 0)


def test_a_constant_brain_is_refused(tmp_path):
    folder = made.write_case(tmp_path)
    flat = np.where(made.head()[0]["t2"] > 0, 7, 0).astype(np.int16)
    made.save(folder / f"{folder.name}_t2.nii.gz", flat)
    read = read_case(find_cases(tmp_path)[0], ALL, "brats2018-2021")
    with pytest.raises(CaseError, match="its t2 is 7 everywhere in the brain"):
        normalise(read)

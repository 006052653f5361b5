import numpy as np
import pytest

from kerakd.data.volumes.schemes import (
    SCHEMES,
    label_scheme,
    region,
    to_target,
)
from kerakd.errors import DataError, RecipeError


@pytest.mark.parametrize(
    ("name", "labels", "wt", "tc", "et"),
    [
        ("brats2015", [0, 1, 2, 3, 4], [1, 2, 3, 4], [1, 3, 4], [4]),
        ("brats2018-2021", [0, 1, 2, 4], [1, 2, 4], [1, 4], [4]),
        ("brats2023", [0, 1, 2, 3], [1, 2, 3], [1, 3], [3]),
        # 4 is a resection cavity: no tumour.
        ("brats2024-gli", [0, 1, 2, 3, 4], [1, 2, 3], [1, 3], [3]),
        ("decathlon", [0, 1, 2, 3], [1, 2, 3], [2, 3], [3]),
    ],
)
def test_regions_of_every_scheme(name, labels, wt, tc, et):
    classes = SCHEMES[name].to_classes(np.array(labels, np.float32))
    for key, expected in (("WT", wt), ("TC", tc), ("ET", et)):
        found = [n for n, i in zip(labels, region(classes, key), strict=True) if i]
        assert found == expected, key


@pytest.mark.parametrize("name", ["brats2018-2021", "brats2023", "decathlon"])
def test_labels_come_back(name):
    labels = np.array([0, *SCHEMES[name].classes])
    scheme = SCHEMES[name]
    np.testing.assert_array_equal(scheme.to_labels(scheme.to_classes(labels)), labels)


@pytest.mark.parametrize("wrong", [4, 0.5, -1, np.nan])
def test_unknown_labels_are_refused_with_what_was_found(wrong):
    with pytest.raises(DataError, match="is not in the scheme 'brats2023'") as caught:
        SCHEMES["brats2023"].to_classes(np.array([0, 1, wrong]))
    assert f"{wrong:g}" in str(caught.value)


def test_unknown_names():
    with pytest.raises(RecipeError, match="Did you mean 'brats2023'"):
        label_scheme("brats2032")
    with pytest.raises(RecipeError, match="no region 'XT'"):
        region(np.zeros(1, np.uint8), "XT")
    with pytest.raises(RecipeError, match="no target"):
        to_target(np.zeros(1, np.uint8), "tumor")


def test_targets():
    classes = np.arange(4, dtype=np.uint8)
    np.testing.assert_array_equal(to_target(classes, "whole_tumour"), [0, 1, 1, 1])
    np.testing.assert_array_equal(to_target(classes, "subregions"), classes)

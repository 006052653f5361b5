import numpy as np
import pytest

from kerakd.errors import DataError
from kerakd.report.overlay import fullest_slices, plot_overlays


def test_panels_show_images_masks_and_difference(tmp_path):
    image = np.linspace(-1, 3, 400).reshape(20, 20)
    one, other = np.zeros((2, 20, 20), np.uint8)
    one[2:10, 2:10], other[2:10, 2:12] = 1, 1
    figure = plot_overlays(
        [image, image],
        {"Teacher": [one, one], "Student": [other, one]},
        tmp_path / "overlay.png",
        captions=["first", "second"],
        compare=("Teacher", "Student"),
    )
    assert (tmp_path / "overlay.png").stat().st_size > 1000
    panels = np.array([axes.images[0].get_array() for axes in figure.axes])
    assert panels.shape == (8, 20, 20, 3)
    grey = panels[0]
    changed = np.abs(panels - grey).max(axis=-1) > 0.05
    np.testing.assert_array_equal(changed[1], one > 0)
    np.testing.assert_array_equal(changed[2], other > 0)
    np.testing.assert_array_equal(changed[3], one != other)
    assert not changed[7].any()
    titles = [axes.get_title() for axes in figure.axes[:4]]
    assert titles == ["Image", "Teacher", "Student", "Difference"]


def test_slices_with_most_to_see():
    classes = np.zeros((30, 8, 8), np.uint8)
    classes[10:20, 2:5, 2:5] = 1
    classes[13] = 2
    chosen = fullest_slices(classes, 3)
    assert 13 in chosen
    assert len(chosen) == 3
    assert all(10 <= n < 20 for n in chosen)
    empty = fullest_slices(np.zeros((30, 8, 8)), 3)
    assert all(12 < n < 18 for n in empty)


def test_masks_that_do_not_fit():
    image = np.zeros((4, 4))
    with pytest.raises(DataError, match="do not fit"):
        plot_overlays([image], {"a": [np.zeros((5, 4))]})
    with pytest.raises(DataError, match="one slice and one mask"):
        plot_overlays([], {})

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from kerakd.errors import DataError
from kerakd.report import plot_confusion
from kerakd.report.style import ink_on

MATRIX = [[290, 10, 0], [0, 0, 0], [1, 0, 9999]]
NAMES = ["glioma", "absent", "a $dollar$ name that is long"]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_counts_and_shares_are_written_and_axes_labelled(tmp_path):
    figure = plot_confusion(MATRIX, NAMES, tmp_path / "c.png", heading="Student")
    axes = figure.axes[0]
    assert axes.get_xlabel() == "Predicted class"
    assert axes.get_ylabel() == "True class"
    assert axes.get_title(loc="left") == "Student"
    assert [t.get_text() for t in axes.get_yticklabels()][:2] == ["glioma", "absent"]
    written = texts(axes)
    assert {"290", "96.7%", "10", "3.3%", "9999", ">99.9%", "<0.1%"} <= set(written)
    assert written.count("\u2013") == 3  # the row of a class without pictures
    assert (tmp_path / "c.png").stat().st_size > 1000


def test_colour_is_the_share_of_the_row():
    heat = plot_confusion(MATRIX, NAMES).axes[0].images[0]
    np.testing.assert_allclose(heat.get_array()[0], [290 / 300, 10 / 300, 0])
    np.testing.assert_array_equal(heat.get_array()[1], 0)
    assert heat.get_clim() == (0, 1)


def test_ink_is_readable_on_its_cell():
    def luminance(rgb):
        rgb = np.asarray(rgb[:3])
        linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
        return linear @ (0.2126, 0.7152, 0.0722)

    for share in np.linspace(0, 1, 101):
        paper = colormaps["Blues"](share)
        ink = to_rgb(ink_on(paper))
        light, dark = sorted((luminance(paper), luminance(ink)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4.5, share
    heat = plot_confusion(MATRIX, NAMES).axes[0]
    assert heat.images[0].cmap.name == "Blues"
    inks = {text.get_text(): text.get_color() for text in heat.texts}
    assert (inks["96.7%"], inks["3.3%"]) == ("white", "black")


def test_weighted_matrices_keep_their_fractions():
    assert "1.5" in texts(plot_confusion([[1.5, 0], [0, 2]], ["a", "b"]).axes[0])


@pytest.mark.parametrize(("count", "shares", "counts"), [(13, False, True), (26, 0, 0)])
def test_many_classes_write_less(count, shares, counts):
    names = [f"class {k}" for k in range(count)]
    figure = plot_confusion(np.full((count, count), 7), names)
    written = texts(figure.axes[0])
    assert any("%" in text for text in written) == bool(shares)
    assert ("7" in written) == bool(counts)
    assert figure.axes[1].get_ylabel() == "Share of the true class (%)"


def test_a_matrix_of_other_classes_is_refused():
    with pytest.raises(DataError, match=r"\(2, 2\); got \(3, 3\)"):
        plot_confusion(MATRIX, ["a", "b"])

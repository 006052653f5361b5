import numpy as np
import pytest
from matplotlib.figure import Figure

from kerakd.errors import DataError
from kerakd.report.attention import (
    Case,
    plot_attention,
    plot_faithfulness,
    plot_model,
    plot_summary,
    show_heat,
)

RANDOM = np.random.default_rng(0)


def case(title="glioma", mask=None, likeness=0.5, methods=("gradcam", "rise")):
    maps = {
        "teacher": {m: RANDOM.random((7, 7)) for m in methods},
        "student": {m: RANDOM.random((4, 4)) for m in methods if m != "rise"},
    }
    return Case(
        RANDOM.uniform(0, 255, (32, 32, 3)),
        title,
        {"teacher": ("glioma", 0.98), "student": ("a $x$ _b", 0.6)},
        maps,
        {m: likeness for m in methods},
        mask,
    )


def test_a_grid_over_classes(tmp_path):
    mask = np.zeros((16, 16))
    mask[4:8, 4:8] = 1
    cases = [case(), case("no $tumour$", mask)]
    path = tmp_path / "summary.png"
    figure = plot_summary(cases, ["gradcam", "rise"], path)
    assert path.read_bytes()[:4] == b"\x89PNG"
    panels = figure.axes[:-1]  # the last is the scale
    assert len(panels) == 2 * (1 + 2 * 2)
    assert panels[0].get_title() == "glioma"
    assert "98.0%" in panels[0].get_xlabel()
    assert panels[1].get_title() == "Grad-CAM" and panels[1].get_ylabel() == "Teacher"
    np.testing.assert_array_equal(
        panels[1].images[1].get_array(), cases[0].maps["teacher"]["gradcam"]
    )
    assert panels[3].get_xlabel() == "rank correlation 0.50"
    # The student has no map by RISE here, and the panel says so.
    assert "not for" in panels[4].texts[0].get_text()
    # The outline is drawn in every panel of the picture that has a mask.
    assert not panels[1].collections and panels[5].collections
    with pytest.raises(DataError, match="nothing to show"):
        plot_summary([], ["gradcam"])


def test_colours_of_the_picture_are_not_taken_for_heat():
    axes = Figure().subplots()
    picture = np.zeros((8, 8, 3))
    picture[..., 0] = 200
    show_heat(axes, picture, np.zeros((2, 2)))
    assert axes.images[0].get_array().ndim == 2
    assert axes.images[1].get_extent() == axes.images[0].get_extent()
    assert axes.images[1].get_cmap().name == "viridis"


def test_one_method_in_rows_of_classes(tmp_path):
    rows = [("glioma", [case("Most alike"), case(likeness=np.nan)]), ("none", [case()])]
    path = tmp_path / "one.png"
    figure = plot_attention("gradcam", rows, path, heading="mean 0.5")
    assert path.is_file()
    assert figure.get_suptitle() == "Grad-CAM: mean 0.5"
    assert len(figure.axes) == 3 * 3 + 1
    assert figure.axes[0].get_ylabel() == "glioma"
    assert figure.axes[3].get_xlabel() == "a map is empty"
    with pytest.raises(DataError, match="nothing to show"):
        plot_attention("gradcam", [("glioma", [])])


def test_one_model(tmp_path):
    maps = {"saliency": RANDOM.random((2, 8, 8))}
    answers = [("a.png", "glioma", 0.5), ("b.png", "none", 0.9)]
    figure = plot_model(RANDOM.random((2, 8, 8, 1)), answers, maps, tmp_path / "m.png")
    titles = [axes.get_title() for axes in figure.axes[:4]]
    assert titles == ["a.png", "Saliency", "b.png", "Saliency"]


def test_curves_beside_chance():
    def area(mean):
        return {"area": {"mean": mean}, "curve": [1, mean, 0]}

    found = {
        "shares": [0, 0.5, 1],
        "random": {"deletion": area(0.6), "insertion": area(0.4)},
        "methods": {"rise": {"deletion": area(0.3), "insertion": area(0.7)}},
    }
    figure = plot_faithfulness({"teacher": found, "student": found})
    assert len(figure.axes) == 4
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["RISE 0.30", "random pixels 0.60"]
    assert figure.axes[2].get_title(loc="left") == "Student: deletion, lower is better"

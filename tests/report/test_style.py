import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from kerakd.report.style import (
    COLOURS,
    colour,
    in_order,
    named_for,
    percent,
    picture,
    plain,
    save,
    show_image,
    title,
)


def test_a_model_has_one_colour_and_no_two_known_ones_share_it():
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert colour("student") == COLOURS["student"]
    assert colour("teacher_0") != colour("teacher_1")
    assert colour("something") == colour("something")
    for model in (*COLOURS, "teacher_7", "something"):
        assert len(to_rgb(colour(model))) == 3


def test_colours_differ_in_lightness_for_those_who_see_none():
    def lightness(model):
        return float(np.dot(to_rgb(colour(model)), (0.2126, 0.7152, 0.0722)))

    assert abs(lightness("teacher") - lightness("student")) > 0.02
    assert lightness("student_int8") - lightness("teacher") > 0.2


def test_models_come_in_the_order_of_the_story():
    models = ["zeta", "baseline", "student_float32", "student", "teacher_1", "teacher"]
    assert in_order(models) == [
        "teacher",
        "teacher_1",
        "student",
        "baseline",
        "student_float32",
        "zeta",
    ]


def test_titles():
    assert title("teacher_0") == "Teacher 1"
    assert title("student_pruned") == "student pruned"


def test_where_nobody_teaches_the_student_is_a_network():
    with named_for({"models": {"student": {}, "student_dynamic": {}}}):
        assert title("student") == "Network"
        assert title("student_dynamic") == "Network, LiteRT dynamic range"
    for metrics in ({}, {"models": {"teacher_0": {}, "student": {}}}):
        with named_for(metrics):
            assert title("student") == "Student, distilled"
    assert title("student") == "Student, distilled"


@pytest.mark.parametrize(
    ("share", "decimals", "text"),
    [
        (1, 1, "100%"),
        (0, 1, "0%"),
        (0.9999, 1, ">99.9%"),
        (0.0001, 1, "<0.1%"),
        (0.99999, 2, ">99.99%"),
        (0.996, 0, ">99%"),
        (0.5, 1, "50.0%"),
        (0.987, 0, "99%"),
    ],
)
def test_percent_never_rounds_to_certainty(share, decimals, text):
    assert percent(share, decimals) == text


def test_names_are_drawn_as_they_are(tmp_path):
    figure = picture(2, 2)
    name = plain("$\\frac{broken$ {\n<b>")
    figure.subplots().set_title(name)
    save(figure, tmp_path / "a.png")  # as a formula this would raise
    assert "\n" not in name
    assert len(plain("x" * 100, 20)) == 20


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        figure = picture(2, 1)
        figure.subplots().plot([1, 2])
        save(figure, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_figure_shows_in_a_notebook_without_pyplot():
    figure = picture(1, 1)
    assert figure._repr_png_()[:4] == b"\x89PNG"
    # `save` and `picture` never touch pyplot's global state; its mere import by
    # another library would set a backend.
    assert figure.canvas.manager is None
    assert "kerakd.report.style" in sys.modules


@pytest.mark.parametrize(
    ("image", "darkest", "brightest"),
    [
        (np.array([[0, 255], [128, 64]], np.uint8), 0, 255),
        (np.full((4, 4, 1), 100.0), 100, 100),
        (np.linspace(0, 1, 16).reshape(4, 4), 0, 255),
        (np.linspace(-1, 1, 48).reshape(4, 4, 3), 0, 255),
    ],
)
def test_pictures_of_any_range_are_shown(image, darkest, brightest):
    axes = picture(1, 1).subplots()
    show_image(axes, image)
    drawn = axes.images[0].get_array()
    assert (drawn.min(), drawn.max()) == (darkest, brightest)
    assert axes.images[0].get_clim() == (0, 255)

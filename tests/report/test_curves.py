import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from kerakd.errors import DataError
from kerakd.report import plot_history
from kerakd.report.style import COLOURS


def history(epochs=10, **more):
    falling = np.geomspace(1.0, 0.1, epochs)
    return {
        "epoch": np.arange(epochs),
        "loss": falling * 2,
        "val_loss": falling * 1.1,
        "accuracy": 1 - falling / 2,
        "val_accuracy": 0.9 - falling / 2,
        **more,
    }


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


def test_axes_are_labelled_and_models_keep_their_colours(tmp_path):
    path = tmp_path / "figures" / "history.png"
    figure = plot_history(
        {"student": pd.DataFrame(history()), "teacher": history()}, path
    )
    loss, accuracy = figure.axes
    assert loss.get_xlabel() == accuracy.get_xlabel() == "Epoch"
    assert "nats" in loss.get_ylabel()
    assert "%" in accuracy.get_ylabel()
    for axes in figure.axes:
        drawn = lines(axes)
        assert len(drawn) == 4
        for model, name in (("student", "Student, distilled"), ("teacher", "Teacher")):
            for part in ("training", "validation"):
                line = drawn[f"{name}, {part}"]
                assert to_hex(line.get_color()).upper() == COLOURS[model]
    assert path.read_bytes()[:4] == b"\x89PNG"
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == [
        "Teacher",
        "Student, distilled",
        "validation",
        "training",
    ]


def test_of_a_student_the_loss_on_the_labels_is_drawn():
    student = history(student_loss=np.full(10, 0.5))
    loss, _ = plot_history({"student": student}).axes
    drawn = lines(loss)["Student, distilled, training"]
    np.testing.assert_array_equal(drawn.get_ydata(), np.full(10, 0.5))


def test_a_wide_range_of_losses_is_logarithmic():
    wide = history(loss=np.geomspace(5, 0.001, 10))
    assert plot_history({"teacher": wide}).axes[0].get_yscale() == "log"
    assert plot_history({"teacher": history()}).axes[0].get_yscale() == "linear"


def test_one_epoch_missing_columns_and_nan_are_drawn_as_far_as_they_go(tmp_path):
    short = {"loss": [0.7], "accuracy": [0.5]}
    broken = history(val_loss=np.full(10, np.nan))
    figure = plot_history({"teacher": short, "baseline": broken}, tmp_path / "h.png")
    drawn = lines(figure.axes[0])
    assert set(drawn) == {
        "Teacher, training",
        "Student, no teacher, training",
    }
    np.testing.assert_array_equal(drawn["Teacher, training"].get_xdata(), [1])
    assert drawn["Teacher, training"].get_marker() == "o"


def test_nothing_to_draw_is_said():
    with pytest.raises(DataError, match="'loss' or 'accuracy'"):
        plot_history({"teacher": {"epoch": [0]}})

import json

import pytest

from kerakd.errors import DataError
from kerakd.report import draw_figures


def names(paths):
    return [path.name for path in paths]


def test_draws_what_the_files_of_the_run_allow(run_folder, samples):
    drawn = draw_figures(run_folder, samples)
    assert names(drawn) == [
        "history.png",
        "confusion_teacher.png",
        "confusion_student.png",
        "confusion_baseline.png",
        "gallery.png",
    ]
    for path in drawn:
        assert path.parent == run_folder / "figures"
        assert path.read_bytes()[:4] == b"\x89PNG"


def test_without_the_pictures_there_is_no_gallery(run_folder):
    assert "gallery.png" not in names(draw_figures(run_folder))


def test_a_run_that_has_just_begun_has_nothing_to_draw(tmp_path):
    (tmp_path / "history_teacher.csv").write_text("")
    assert draw_figures(tmp_path) == []


def test_samples_of_another_run_are_refused(run_folder, samples):
    (run_folder / "metrics.json").unlink()
    for history in run_folder.glob("history_*.csv"):
        history.unlink()
    with pytest.raises(DataError, match="not in the table of samples"):
        draw_figures(run_folder, samples.take([0, 1]))


def test_a_file_that_is_no_history_is_named(run_folder):
    (run_folder / "history_teacher.csv").write_text('a,b\n1,2,3\n"')
    with pytest.raises(DataError, match=r"history_teacher\.csv is no table of epochs"):
        draw_figures(run_folder)


def test_a_test_without_confusion_matrix_is_skipped(run_folder):
    for history in run_folder.glob("history_*.csv"):
        history.unlink()
    path = run_folder / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["models"]["student"]["test"] = None
    path.write_text(json.dumps(metrics))
    assert names(draw_figures(run_folder)) == [
        "confusion_teacher.png",
        "confusion_baseline.png",
    ]

"""`kerakd compress`: files, figures and a table from one command."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from kerakd.cli.app import app
from kerakd.compress import LiteRTModel
from tests.compress.tiny import small_classifier
from tests.data.image_folders import write_tree

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A student, and a data set with training and test images."""
    root = tmp_path_factory.mktemp("run")
    counts = {f"Training/{name}": 40 for name in CLASSES}
    write_tree(root / "data", counts | {f"Testing/{name}": 5 for name in CLASSES})
    small_classifier().save(root / "student.keras")
    return root


def compress(folder, *options):
    arguments = ["compress", str(folder / "student.keras"), "--data"]
    return CliRunner().invoke(app, [*arguments, str(folder / "data"), *options])


@pytest.fixture(scope="module")
def compressed(folder):
    result = compress(
        folder, "--modes", "int8", "--on", "validation", "--images", "100"
    )
    assert result.exit_code == 0, result.output
    return json.loads((folder / "compression.json").read_text()), result.output


def test_every_variant_is_measured(compressed, folder):
    figures, _ = compressed
    variants = figures["variants"]
    assert [one["mode"] for one in variants] == ["float32", "int8"]
    assert (
        figures["split"] == "validation" and figures["reference"] == variants[0]["name"]
    )
    for one in variants:
        path = folder / one["file"]
        assert path.stat().st_size == one["bytes"] > one["gzip_bytes"] > 0
        assert LiteRTModel(path).class_names == CLASSES
        assert one["partitions"] == 1 and one["peak_arena_bytes"] > 0
        assert one["parameters"] > 0 and one["multiply_adds"] > 0
        for threads in ("1", "2"):
            took = one["milliseconds"][threads]
            assert 0 < took["min_ms"] <= took["median_ms"] <= took["p95_ms"]
        low, high = one["accuracy_interval"]
        assert low <= one["accuracy"] <= high
        assert one["correct"] == round(one["accuracy"] * one["images"])
        labelled = one["verify"]["labelled"]
        assert labelled["accuracy"]["litert"] == pytest.approx(one["accuracy"])
        assert len(labelled["per_class"]) == 4
    assert variants[0]["verify"]["labelled"]["correctness_changed"] == 0
    assert variants[1]["quantization"]["representative"]["count"] == 100
    counts = variants[1]["quantization"]["representative"]["per_class"]
    assert counts == dict.fromkeys(CLASSES, 25)


def test_the_table_and_the_plot(compressed, folder):
    _, said = compressed
    for text in ("student_float32", "student_int8", "QUANTIZE", "float32's time"):
        assert text in said
    with Image.open(folder / "figures" / "pareto.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5


def test_the_files_again_side_by_side(compressed, folder):
    figures = folder / "again.json"
    result = CliRunner().invoke(
        app,
        [
            *["benchmark", "model", str(folder / "student_float32.tflite")],
            *[str(folder / "student_int8.tflite"), "--seconds", "0.05"],
            *["--pareto", str(folder / "cost.png"), "--json", str(figures)],
        ],
    )
    assert result.exit_code == 0, result.output
    variants = json.loads(figures.read_text())["variants"]
    assert [one["name"] for one in variants] == ["student_float32", "student_int8"]
    assert "accuracy" not in variants[0]
    assert variants[0]["milliseconds"]["2"]["ratio"] == 1.0
    assert (folder / "cost.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--modes", "int4"), "There is no mode 'int4'"),
        (("--modes", "int8", "--images", "9"), "at least 100 images"),
        (("--on", "tests"), "test or validation"),
        (("--backend", "other", "--modes", "int8"), "There is no backend 'other'"),
    ],
)
def test_mistakes_are_sentences(folder, options, message):
    result = compress(folder, *options)
    assert result.exit_code == 2
    assert message in result.output and "Traceback" not in result.output


def test_a_folder_without_a_student(tmp_path):
    result = CliRunner().invoke(app, ["compress", str(tmp_path / "absent")])
    assert result.exit_code == 2 and "There is no run folder" in result.output


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--modes", "int9"), "no mode 'int9'"),
        (("--modes", "int8", "--backend", "best"), "no backend 'best'"),
        (("--modes", "int8", "--images", "10"), "at least 100 images"),
        (("--modes", "int8", "--integer-only", "--sensitive"), "choose one of them"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_read(tmp_path, options, told):
    result = compress(tmp_path, *options)
    assert result.exit_code == 2
    assert told in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []

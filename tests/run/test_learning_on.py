"""`kerakd compress RUN --aware|--prune|--cluster`."""

import json

import pytest
from typer.testing import CliRunner

from kerakd.cli.app import app
from kerakd.compress import LiteRTModel
from tests.compress.tiny import small_classifier
from tests.data.image_folders import write_tree

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    counts = {f"Training/{name}": 40 for name in CLASSES}
    write_tree(root / "data", counts | {f"Testing/{name}": 5 for name in CLASSES})
    small_classifier().save(root / "student.keras")
    return root


def compress(folder, *options):
    arguments = ["compress", str(folder / "student.keras"), "--data"]
    return CliRunner().invoke(app, [*arguments, str(folder / "data"), *options])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "name"),
    [
        (("--aware",), "student_aware"),
        (("--prune", "0.6"), "student_pruned"),
        (("--cluster", "8"), "student_clustered"),
    ],
)
def test_a_student_learns_on_and_is_judged(folder, options, name):
    figures = folder / f"{name}_figures.json"
    result = compress(
        folder,
        *options,
        *("--epochs", "1", "--on", "validation", "--json", str(figures)),
    )
    assert result.exit_code == 0, result.output
    found = json.loads(figures.read_text())
    assert found["teacher"] == "the float student" and found["split"] == "validation"
    assert 0 <= found["verify"]["top1_agreement"] <= 1
    assert LiteRTModel(folder / f"{name}.tflite").class_names == CLASSES
    assert (folder / f"{name}.keras").is_file()


@pytest.mark.slow
def test_several_teachers_that_see_larger_pictures(folder, tmp_path):
    import keras

    teachers = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        image = keras.Input((48, 48, 3))
        x = keras.layers.AveragePooling2D(8)(image)
        logits = keras.layers.Dense(4)(keras.layers.Flatten()(x))
        teachers.append(tmp_path / f"teacher_{seed}.keras")
        keras.Model(image, logits).save(teachers[-1])
    figures = tmp_path / "figures.json"
    named = [word for path in teachers for word in ("--teacher", str(path))]
    result = compress(
        folder, "--aware", *named, "--epochs", "1", "--json", str(figures)
    )
    assert result.exit_code == 0, result.output
    found = json.loads(figures.read_text())
    assert found["teacher"] == ", ".join(map(str, teachers))
    assert found["report"]["history"][0]["distillation_loss"] > 0


def test_one_way_at_a_time(folder):
    result = compress(folder, "--aware", "--prune", "0.5")
    assert result.exit_code == 2
    assert "one of --aware, --prune and --cluster" in result.output

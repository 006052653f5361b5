"""What a person may get wrong: a sentence, exit code 2, and nothing half-written."""

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from kerakd.cli import app
from kerakd.recipe import strict_yaml
from tests.run.tiny import finished_run, page


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_run(tmp_path_factory.getbasetemp())


def refuse(*arguments) -> str:
    """Call a command that must refuse; what it says on standard error."""
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 2, result.output
    text = result.stderr
    assert text.startswith("error: ")
    assert "Traceback" not in result.output
    # One sentence; where the data set's form is at fault, the expected tree follows.
    first, _, rest = text.removeprefix("error: ").rstrip("\n").partition("\n")
    assert first.endswith((".", "?"))
    assert rest == "" or rest.startswith("Expected one of\n")
    return text


def write_images(folder: Path, *classes: str, count: int = 5) -> Path:
    generator = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (72, 72), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def data(tmp_path):
    """A sound data set of two classes."""
    return write_images(tmp_path / "data", "Training/a", "Training/b", "Testing/a")


@pytest.fixture
def write_recipe(tmp_path):
    """Write a recipe of the tiny networks; gives its path."""

    def write(source=None, **changes):
        found = page(**changes)
        if source is not None:
            found["data"] = {"source": str(source), "channels": 1, "validation": 0.4}
        path = tmp_path / "recipe.yaml"
        path.write_text(strict_yaml.dump(found))
        return path

    return write


@pytest.fixture
def refuse_run(tmp_path, write_recipe):
    """A run that must be refused before it has left anything."""

    def run(source=None, command="run", options=(), **changes):
        out = tmp_path / "out" / "run"
        recipe = write_recipe(source, **changes)
        text = refuse(command, recipe, "--out", out, "--quiet", *options)
        assert not out.exists()
        return text

    return run


# Folders of images -----------------------------------------------------------------


def test_an_empty_folder(tmp_path, refuse_run):
    (tmp_path / "empty").mkdir()
    text = refuse_run(tmp_path / "empty")
    assert str(tmp_path / "empty") in text
    assert "FOLDER/CLASS/*.png" in text


def test_no_such_folder(tmp_path, refuse_run):
    assert "--data" in refuse_run(tmp_path / "nowhere")


def test_a_folder_without_class_folders(tmp_path, refuse_run):
    folder = tmp_path / "loose"
    folder.mkdir()
    Image.new("L", (72, 72)).save(folder / "scan.png")
    text = refuse_run(folder)
    assert str(folder) in text
    assert "FOLDER/CLASS/*.png" in text


def test_one_class_only(tmp_path, refuse_run):
    text = refuse_run(write_images(tmp_path / "data", "glioma"))
    assert "one class only (glioma)" in text


def test_a_class_in_the_test_that_training_lacks(tmp_path, refuse_run):
    folder = write_images(
        tmp_path / "data", "Training/a", "Training/b", "Testing/a", "Testing/c"
    )
    text = refuse_run(folder)
    assert str(Path("Testing") / "c") in text
    assert "lacks" in text


def test_a_data_set_without_test_images_names_the_key(tmp_path, refuse_run):
    text = refuse_run(write_images(tmp_path / "data", "a", "b"))
    assert "no test images" in text
    assert "data.test" in text


def test_a_class_too_small_to_divide(tmp_path, refuse_run):
    folder = write_images(tmp_path / "data", "Training/a", "Testing/a", "Testing/b")
    write_images(folder, "Training/b", count=1)
    assert "'b' has 1 image" in refuse_run(folder)


def spoil_text(path):
    path.write_text("no image")


def spoil_empty(path):
    path.write_bytes(b"")


def spoil_truncated(path):
    path.write_bytes(path.read_bytes()[:-400])


def spoil_one_pixel(path):
    Image.new("L", (1, 1)).save(path)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_text, "no image"),
        (spoil_empty, "empty"),
        (spoil_truncated, "cannot be decoded"),
        (spoil_one_pixel, "1x1 pixels"),
    ],
)
def test_a_file_that_is_no_image(data, refuse_run, spoil, reason):
    spoil(data / "Training" / "a" / "2.png")
    text = refuse_run(data)
    assert "Training/a/2.png" in text
    assert reason in text
    assert "--skip-bad" in text


def test_bad_files_are_left_out_and_told_when_asked(data, tmp_path):
    spoil_text(data / "Training" / "a" / "2.png")
    out = tmp_path / "splits"
    result = CliRunner().invoke(
        app, ["split", str(data), "--out", str(out), "--skip-bad"]
    )
    assert result.exit_code == 0
    assert "left out (1): Training/a/2.png" in result.stdout
    assert "Training/a/2.png" not in (out / "splits.json").read_text()


def test_16_bit_and_cmyk_images_are_read(data, tmp_path):
    deep = np.linspace(0, 65535, 72 * 72).reshape(72, 72).astype(np.uint16)
    Image.fromarray(deep).save(data / "Training" / "a" / "0.png")
    (data / "Training" / "a" / "1.png").unlink()
    Image.new("CMYK", (72, 72)).save(data / "Training" / "a" / "1.jpg")
    out = tmp_path / "splits"
    result = CliRunner().invoke(app, ["split", str(data), "--out", str(out)])
    assert result.exit_code == 0
    splits = (out / "splits.json").read_text()
    assert "Training/a/0.png" in splits
    assert "Training/a/1.jpg" in splits


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(spoil_text, "no image"), (spoil_truncated, "decoded"), (Path.unlink, "no such")],
)
def test_predict_names_the_image_it_cannot_read(data, finished, spoil, reason):
    image = data / "Training" / "a" / "2.png"
    spoil(image)
    text = refuse("predict", finished / "student_float32.tflite", image)
    assert str(image) in text
    assert reason in text


# Recipes ----------------------------------------------------------------------------


def test_an_unknown_key_of_a_recipe(refuse_run):
    text = refuse_run(student__training={"epoch": 3})
    assert "recipe.yaml: unknown key 'student.training.epoch'" in text
    assert "'epochs'" in text


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"student__training": {"epochs": "ten"}}, ("student.training", "'ten'")),
        ({"seed": "one"}, ("'seed'", "whole number")),
        ({"student__model": "mobilnet"}, ("student", "'mobilnet'")),
        ({"student__options": {"depth": 3}}, ("student", "'depth'")),
        ({"teacher__options": {"width": "big"}}, ("teacher", "'big'")),
        ({"student__image_size": 32}, ("student", "67")),
        ({"student__weights": "none.weights.h5"}, ("none.weights.h5", "--weights")),
        (
            {"distillation__losses": [{"name": "kl_divergenc"}]},
            ("distillation.losses[0]", "'kl_divergence'"),
        ),
        (
            {"distillation__losses": [{"name": "kl_divergence", "temp": 3}]},
            ("distillation.losses[0]", "temp"),
        ),
        (
            {
                "distillation__losses": [
                    {
                        "name": "hint",
                        "teacher_layer_name": "conv_99",
                        "student_layer_name": "logits",
                    }
                ]
            },
            ("conv_99",),
        ),
        ({"data__phantom": {"patient": 8}}, ("data.phantom.patient", "'patients'")),
        ({"data__phantom": {"patients": 4}}, ("4 patients are too few",)),
    ],
)
def test_a_wrong_value_of_a_recipe(refuse_run, changes, parts):
    text = refuse_run(**changes)
    for part in parts:
        assert part in text


def test_a_sweep_over_a_value_that_cannot_be(refuse_run):
    text = refuse_run(options=("--sweep", "temperature=2,-1"))
    assert "temperature" in text
    assert "-1" in text


def test_a_recipe_that_is_none(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(bytes(range(256)))
    assert str(path) in refuse("run", path, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


# Model files ------------------------------------------------------------------------


def save_model(path, classes=4, size=72):
    import kerakd

    model = kerakd.models.build(
        "alexnet", classes, (size, size, 1), width=0.05, dense_units=8
    )
    model.save(path)
    return path


def rewrite(path, name, change):
    """Change one JSON member of a `.keras` archive."""
    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    members[name] = json.dumps(change(json.loads(members[name]))).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)


def of_another_version(path):
    save_model(path)
    rewrite(path, "metadata.json", lambda m: m | {"keras_version": "99.0.0"})

    def renamed(config):
        text = json.dumps(config)
        return json.loads(text.replace('"Conv2D"', '"Conv2DOfTheFuture"'))

    rewrite(path, "config.json", renamed)


def with_a_lambda(path):
    import keras

    inputs = keras.Input((72, 72, 1))
    x = keras.layers.Lambda(lambda x: x * 2)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    keras.Model(inputs, keras.layers.Dense(4)(x)).save(path)


def with_a_custom_class(path):
    import keras

    class Mine(keras.layers.Layer):
        def call(self, x):
            return x

    inputs = keras.Input((72, 72, 1))
    x = keras.layers.GlobalAveragePooling2D()(Mine()(inputs))
    keras.Model(inputs, keras.layers.Dense(4)(x)).save(path)


def damaged(path):
    save_model(path)
    path.write_bytes(path.read_bytes()[:-2000])


def with_a_softmax(path):
    import keras

    inputs = keras.Input((72, 72, 1))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    keras.Model(inputs, keras.layers.Dense(4, "softmax")(x)).save(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (of_another_version, "99.0.0"),
        (with_a_lambda, "code"),
        (with_a_custom_class, "Mine"),
        (damaged, "damaged"),
        (with_a_softmax, "with_logits"),
        (spoil_text, "damaged"),
        (lambda path: None, "no model file"),
    ],
)
def test_a_model_file_that_cannot_be_used(tmp_path, refuse_run, finished, make, reason):
    path = tmp_path / "model.keras"
    make(path)
    for text in (
        refuse("evaluate", path, "--data", finished / "phantom"),
        refuse("predict", path, finished / "figures" / "history.png"),
    ):
        assert str(path) in text
        assert reason in text
    text = refuse_run(command="distill", options=("--teacher", path))
    assert reason.replace("no model file", "no teacher file") in text


def test_a_tflite_file_that_is_none(tmp_path, finished):
    path = tmp_path / "model.tflite"
    path.write_bytes((finished / "student_float32.tflite").read_bytes()[:5000])
    for arguments in (
        ("evaluate", path, "--data", finished / "phantom"),
        ("predict", path, finished / "figures" / "history.png"),
    ):
        assert str(path) in refuse(*arguments)


def test_a_teacher_with_other_classes_than_the_student(tmp_path, refuse_run):
    path = save_model(tmp_path / "teacher.keras", classes=3)
    text = refuse_run(command="distill", options=("--teacher", path))
    assert str(path) in text
    assert "3 classes" in text
    assert "4 (glioma, meningioma, notumor, pituitary)" in text


def test_a_teacher_of_classes_with_other_names(tmp_path, refuse_run):
    path = save_model(tmp_path / "teacher.keras")
    names = ["cat", "dog", "fox", "owl"]
    (tmp_path / "metrics.json").write_text(json.dumps({"class_names": names}))
    text = refuse_run(command="distill", options=("--teacher", path))
    assert "cat, dog, fox, owl" in text
    assert "glioma" in text


def test_a_student_evaluated_on_other_classes(data, finished, tmp_path):
    model = tmp_path / "student.keras"
    shutil.copyfile(finished / "student.keras", model)
    text = refuse("evaluate", model, "--data", data)
    assert "4 classes" in text


# Folders that cannot be written -------------------------------------------------------


def mount(folder: Path, options: str) -> None:
    folder.mkdir(exist_ok=True)
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a small file system can be mounted by root only")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr}")


@pytest.fixture
def mounted(tmp_path):
    """Mounts small file systems; unmounts them after the test."""
    folders = []

    def make(options):
        folder = tmp_path / f"mounted{len(folders)}"
        mount(folder, options)
        folders.append(folder)
        return folder

    yield make
    for folder in folders:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def unwritable(tmp_path, mounted):
    """A folder without write permission; for root, on a read-only file system."""
    if os.geteuid() == 0:
        return mounted("ro,size=64k")
    folder = tmp_path / "denied"
    folder.mkdir(mode=0o555)
    return folder


def test_no_write_permission(unwritable, write_recipe, data):
    text = refuse("run", write_recipe(), "--out", unwritable / "run", "--quiet")
    assert str(unwritable) in text
    assert "choose another folder" in text
    text = refuse("split", data, "--out", unwritable / "splits")
    assert str(unwritable) in text


def test_json_that_cannot_be_written_is_told_before_the_work(
    unwritable, write_recipe, tmp_path
):
    out = tmp_path / "run"
    figures = unwritable / "figures.json"
    text = refuse("run", write_recipe(), "--out", out, "--json", figures)
    assert str(figures) in text
    assert not out.exists()


def test_a_file_in_the_way(tmp_path, write_recipe):
    (tmp_path / "run").write_text("mine")
    text = refuse("run", write_recipe(), "--out", tmp_path / "run", "--quiet")
    assert "a file of that name is in the way" in text
    text = refuse("run", write_recipe(), "--out", tmp_path / "run" / "x", "--quiet")
    assert "choose another folder" in text
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc here")
def test_a_file_where_no_file_can_be(tmp_path):
    text = refuse("audit", tmp_path, "--json", "/proc/figures.json")
    assert "Cannot write /proc/figures.json" in text
    assert "choose another folder" in text


def test_a_report_of_a_folder_that_is_no_run(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    assert "is no run folder" in refuse("report", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_in_use(tmp_path, write_recipe):
    out = tmp_path / "run"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    assert "--resume" in refuse("run", write_recipe(), "--out", out, "--quiet")
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_a_disk_that_is_full_from_the_start(mounted, write_recipe):
    disk = mounted("size=40k")
    text = refuse("run", write_recipe(), "--out", disk / "run", "--quiet")
    assert str(disk) in text
    assert "disk is full" in text
    assert list(disk.iterdir()) == []


def test_a_disk_that_fills_up_later_and_is_enlarged(mounted, write_recipe):
    disk = mounted("size=500k")
    recipe = write_recipe(baseline=False)
    text = refuse("run", recipe, "--out", disk / "run", "--quiet")
    assert "disk is full" in text
    assert not list(disk.rglob(".partial-*"))
    for path in disk.rglob("*.json"):
        json.loads(path.read_text())
    remount = ["mount", "-o", "remount,size=50m", disk]
    subprocess.run(remount, check=True)
    out = str(disk / "run")
    result = CliRunner().invoke(
        app, ["run", str(recipe), "--out", out, "--quiet", "--resume"]
    )
    assert result.exit_code == 0, result.output
    assert (disk / "run" / "report.html").is_file()

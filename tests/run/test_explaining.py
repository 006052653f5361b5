import json

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from kerakd.cli import app
from kerakd.compress import quantize
from kerakd.data import load_images, split
from kerakd.errors import DataError, ModelError, RecipeError
from kerakd.recipe import save_recipe
from kerakd.run.assess import samples_of
from kerakd.run.explaining import explain_run, sample_evenly
from tests.run.tiny import recipe

METHODS = ["gradcam", "layercam", "integrated_gradients"]


def network(size):
    """Untrained, with logits of some size."""
    keras.utils.set_random_seed(size)
    image = keras.Input((size, size, 1))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    x = keras.layers.Conv2D(3, 3, padding="same", name=f"fine{size}")(x)
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    x = keras.layers.GlobalMaxPooling2D()(x)
    return keras.Model(image, keras.layers.Dense(2, name="logits")(x))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The files of a run that `explain` reads; its teacher is an ensemble."""
    folder = tmp_path_factory.mktemp("explained") / "run"
    generator = np.random.default_rng(0)
    for name in ("glioma", "notumor"):
        (folder / "phantom" / name).mkdir(parents=True)
        for k in range(8):
            pixels = generator.integers(0, 90, (36, 36), dtype=np.uint8)
            if name == "glioma":
                pixels[10:20, 10:20] += 120
            Image.fromarray(pixels).save(folder / "phantom" / name / f"{name}{k}.png")
    samples = split(load_images(folder / "phantom"), validation=0.2, test=0.5, seed=0)
    samples.save(folder / "samples.csv")
    save_recipe(recipe(), folder / "recipe.yaml")
    network(32).save(folder / "teacher_0.keras")
    network(24).save(folder / "teacher_1.keras")
    student = network(20)
    student.save(folder / "student.keras")
    scans = 255 * generator.random((4, 20, 20, 1), np.float32)
    quantize(
        student,
        representative_data=scans,
        path=folder / "student_float32.tflite",
        class_names=samples.class_names,
    )
    return folder


@pytest.fixture(scope="module")
def masks(run, tmp_path_factory):
    """A mask for every second test image."""
    folder = tmp_path_factory.mktemp("masks")
    test = samples_of(run, None).subset("test")
    for one, label in list(zip(test.ids, test.table["label"], strict=True))[::2]:
        pixels = np.zeros((36, 36), np.uint8)
        pixels[10:20, 10:20] = 255
        (folder / label).mkdir(exist_ok=True)
        name = one.rpartition("/")[2].rpartition(".")[0]
        Image.fromarray(pixels).save(folder / label / f"{name}.png")
    return folder


def test_a_run_is_explained_by_one_command(run, masks):
    arguments = [run, "--masks", masks, "--images", 4, "--exports", 2]
    arguments += ["--methods", ",".join(METHODS), "--json", run / "all.json"]
    result = CliRunner().invoke(app, ["explain", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert "Teacher and student look at the same places" in result.output

    agreement = json.loads((run / "explain" / "agreement.json").read_text())
    found = json.loads((run / "explain" / "faithfulness.json").read_text())
    whole = json.loads((run / "all.json").read_text())
    assert whole == {"agreement": agreement, "faithfulness": found}
    count = agreement["count"]
    parts = agreement["methods"]
    assert parts["gradcam"]["all"]["rank_correlation"]["count"] <= count
    assert parts["integrated_gradients"]["all"]["top_iou"]["count"] <= 4
    for role in ("teacher", "student"):
        assert set(found[role]["methods"]) == set(METHODS)
        assert found[role]["completeness"]["count"] == 4
        pointing = found[role]["methods"]["gradcam"]["masks"]["pointing"]
        assert pointing["chance"] == pytest.approx((10 / 36) ** 2, rel=0.01)
        assert "by_class" in found[role]["methods"]["gradcam"]["masks"]
        finer = found[role]["finer_layercam"]
        assert finer["energy"]["count"] == finer["iou"]["count"] > 0
    assert found["student"]["finer_layercam"]["layers"] == ["fine20"]
    assert list(found["exports"]["files"]) == ["student_float32.tflite"]
    alike = found["exports"]["files"]["student_float32.tflite"]["rank_correlation"]
    assert alike["mean"] > found["exports"]["other_masks"]["rank_correlation"]["mean"]
    names = ["summary_visualization", "faithfulness"]
    for name in names + [f"attention_{method}" for method in METHODS]:
        with Image.open(run / "figures" / f"{name}.png") as image:
            assert min(image.size) > 300


def test_a_single_model_is_explained_on_images(run, tmp_path):
    scan = next((run / "phantom").rglob("*.png"))
    for file, methods in (("student.keras", "layercam,saliency"), ("tflite", "rise")):
        model = run / file if file != "tflite" else run / "student_float32.tflite"
        out = tmp_path / f"{file}.png"
        arguments = ["explain", model, "--image", scan, "--out", out]
        arguments += ["--methods", methods]
        result = CliRunner().invoke(app, list(map(str, arguments)))
        assert result.exit_code == 0, result.output
        assert scan.name in result.output and out.is_file()


def test_what_cannot_be_explained_is_said(run, tmp_path):
    with pytest.raises(ModelError, match=r"no teacher\.keras"):
        explain_run(tmp_path)
    with pytest.raises(RecipeError, match="images must be at least 2"):
        explain_run(run, images=1)
    with pytest.raises(RecipeError, match="Did you mean 'gradcam'"):
        explain_run(run, methods=["grad_cam"])
    with pytest.raises(ModelError, match="'attention_rollout' does not suit"):
        explain_run(run, methods=["attention_rollout"])
    with pytest.raises(DataError, match="no folder of masks"):
        explain_run(run, masks=tmp_path / "absent")


def test_samples_are_drawn_evenly():
    labels = np.repeat([0, 1, 2], [50, 3, 20])
    rows = sample_evenly(labels, 12, seed=1)
    np.testing.assert_array_equal(np.bincount(labels[rows]), [5, 3, 4])
    assert (np.diff(rows) > 0).all()
    assert len(sample_evenly(labels, 500, seed=1)) == 73


def test_a_misspelt_method_is_told_before_anything_is_read(tmp_path):
    with pytest.raises(RecipeError, match="gradcam"):
        explain_run(tmp_path / "nothing", methods=["gradcm"])


@pytest.mark.parametrize("option", ["images", "limit", "rise_masks"])
def test_fewer_than_two_images_are_refused(tmp_path, option):
    with pytest.raises(RecipeError, match=f"{option} must be at least 2"):
        explain_run(tmp_path, **{option: 0})

"""The recipes in `experiments/`: what they promise, and that they run.

One of the five published systems runs in every test; all recipes run with `-m ""`.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import kerakd
from kerakd.cli import app
from kerakd.compress import LiteRTModel
from kerakd.evaluation import read_predictions
from kerakd.models.graph import weighted_layers
from kerakd.predict import predict_images
from kerakd.recipe import load_recipe
from kerakd.run import networks
from tests.models.conftest import offline, write_as_downloaded  # noqa: F401

ROOT = Path(kerakd.__file__).parents[1]
PAGES = sorted((ROOT / "experiments").glob("*.yaml"))
PUBLISHED = (
    "resnet101_to_mobilenetv3",
    "unet_brats_kd",
    "deit_to_resnet50",
    "resnet_3class_xai",
    "alexnet_f2_quantized",
)


def recipe_of(name, **options):
    return load_recipe(ROOT / "experiments" / f"{name}.yaml", **options)


# What the pages say ----------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_a_page_with_its_launch_command(page):
    text = page.read_text()
    command = rf"kerakd (run|train-teacher) experiments/{page.name} --data DATA"
    assert re.search(command, text)
    lines = text.splitlines()
    assert len(lines) <= 80
    assert max(map(len, lines)) <= 90


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_without_data_the_tiny_mode_takes_phantoms_and_no_weights(page):
    recipe = load_recipe(page, tiny=True, with_data=False)
    assert recipe.data.source == "phantom"
    assert recipe.student.weights is None
    assert recipe.teacher is None or recipe.teacher.weights is None
    given = load_recipe(page, tiny=True)
    assert given.data.source == load_recipe(page).data.source


def test_the_published_settings_are_in_the_pages():
    first = recipe_of("resnet101_to_mobilenetv3")
    assert first.distillation.student_loss_weight == 0.5
    assert first.distillation.temperature == 4
    for section in (first.teacher, first.student):
        assert section.weights == "imagenet" and section.image_size == 224
        training = section.training
        assert (training.optimizer, training.learning_rate) == ("adam", 1e-4)
        assert (training.batch_size, training.epochs) == (32, 10)
    deit = recipe_of("deit_to_resnet50")
    assert deit.teacher.head_epochs > 0
    assert deit.distillation.temperature == 5
    assert deit.student.training.schedule == "step"
    assert deit.augmentation.jitters
    three = recipe_of("resnet_3class_xai")
    assert three.teacher is None
    assert three.student.training.label_smoothing == 0.1
    assert len(three.heat_maps) == 3
    grey = recipe_of("alexnet_f2_quantized")
    assert (grey.data.channels, grey.student.image_size) == (1, 227)
    assert "dynamic" in grey.export.modes


def test_the_unets_have_the_published_parameters():
    recipe = recipe_of("unet_brats_kd")
    shape = (recipe.student.image_size, recipe.student.image_size, 3)
    for section, count in ((recipe.teacher, 8_639_778), (recipe.student, 608_589)):
        model = kerakd.models.build(section.model, 2, shape, **section.options)
        assert model.count_params() == count


# One of the five, beside a recipe that fails ----------------------------------------


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """`kerakd run` of two recipes without data: one that works, one that cannot."""
    out = tmp_path_factory.mktemp("trial")
    broken = out / "broken.yaml"
    text = (ROOT / "experiments/alexnet_f2_quantized.yaml").read_text()
    broken.write_text(text.replace("layout: Train/", "layout: Nowhere/"))
    good = ROOT / "experiments/alexnet_f2_quantized.yaml"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KERAKD_DATA", raising=False)
        arguments = ["run", broken, good, "--tiny", "--out", out / "runs", "--quiet"]
        arguments += ["--set", "heat_maps=[gradcam,integrated_gradients]"]
        result = CliRunner().invoke(
            app, [str(one) for one in [*arguments, "--json", out / "all.json"]]
        )
    return result, out / "runs", json.loads((out / "all.json").read_text())


def test_a_recipe_that_fails_stops_no_other_and_is_told_at_the_end(trial):
    result, runs, told = trial
    assert result.exit_code == 2
    assert "1 of 2 recipes failed (broken)" in result.output
    assert "layout" in told["broken"]["error"]
    assert "metrics" in told["alexnet_f2_quantized"]
    assert not (runs / "broken").exists()
    assert "failed: " in result.output and "accuracy " in result.output


def test_a_recipe_without_a_teacher_leaves_a_whole_run_folder(trial):
    _, runs, told = trial
    run, metrics = (
        runs / "alexnet_f2_quantized",
        told["alexnet_f2_quantized"]["metrics"],
    )
    assert list(metrics["models"]) == ["student", "student_float32", "student_dynamic"]
    assert metrics["phantom"] and "distillation" not in metrics
    for known in metrics["models"].values():
        assert 0 <= known["test"]["macro_f2"] <= 1
        assert len(known["test"]["per_class"]) == 4
    assert not list(run.glob("*teacher*")) and not list(run.glob("*baseline*"))
    figures = {path.stem for path in (run / "figures").iterdir()}
    assert {"history", "gallery", "heat_maps", "confusion_student"} <= figures
    assert "comparison" not in figures
    page = (run / "report.html").read_text()
    assert "trained on labels alone" in page
    assert "not in this run folder" not in page
    card = (run / "model_card.md").read_text()
    assert "Teacher" not in card and "distilled" not in card
    assert "| Network, LiteRT dynamic range |" in card


def test_the_three_folders_are_its_three_splits(trial):
    run = trial[1] / "alexnet_f2_quantized"
    splits = json.loads((run / "splits.json").read_text())["splits"]
    for split, folder in (
        ("train", "Train/"),
        ("validation", "Validation/"),
        ("test", "Testing/"),
    ):
        assert splits[split]
        assert all(one.startswith(folder) for one in splits[split])


def test_the_quantised_file_loads_and_answers_as_the_run_says(trial):
    run = trial[1] / "alexnet_f2_quantized"
    small, whole = (run / f"student_{mode}.tflite" for mode in ("dynamic", "float32"))
    assert small.stat().st_size < 0.4 * whole.stat().st_size
    said = read_predictions(run / "predictions.csv")
    answers = predict_images(small, [run / "phantom" / one for one in said.ids[:5]])
    chances = said.probabilities("student_dynamic")[:5]
    for answer, row in zip(answers, chances, strict=True):
        assert answer.class_name == said.class_names[row.argmax()]
    assert list(LiteRTModel(small).class_names) == list(said.class_names)


# All of them ------------------------------------------------------------------------


@pytest.mark.slow
def test_all_recipes_run_in_tiny_mode_without_data(tmp_path):
    command = [sys.executable, "-c", "from kerakd.cli import main; main()", "run"]
    command += [*map(str, PAGES), "--tiny", "--quiet"]
    command += ["--out", str(tmp_path), "--json", str(tmp_path / "all.json")]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = json.loads((tmp_path / "all.json").read_text())
    assert set(told) == {page.stem for page in PAGES} >= set(PUBLISHED)
    for name, one in told.items():
        assert one["metrics"]["phantom"], name
        assert "phantom" in (tmp_path / name / "report.html").read_text().lower()
        assert (tmp_path / name / "student.keras").is_file()
        assert (tmp_path / name / "student_float32.tflite").is_file()
        assert one["metrics"]["models"]["student"]["test"], name
    assert (tmp_path / "resnet_3class_xai/figures/heat_maps.png").is_file()
    assert (tmp_path / "deit_to_resnet50/history_teacher_head.csv").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "role", "backbone", "file"),
    [
        (
            "resnet101_to_mobilenetv3",
            "teacher",
            "ResNet101",
            "resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5",
        ),
        (
            "resnet101_to_mobilenetv3",
            "student",
            "MobileNetV3Small",
            "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
        ),
        (
            "resnet_3class_xai",
            "student",
            "ResNet50",
            "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        ),
    ],
)
def test_imagenet_weights_are_found_where_keras_puts_them(
    recipe,
    role,
    backbone,
    file,
    offline,  # noqa: F811
    monkeypatch,
):
    """Random weights in the form of the published file stand in for it."""
    asked = []
    # Keras knows the hash of the published bytes, which a stand-in cannot have.
    monkeypatch.setattr(
        "keras.src.utils.file_utils.validate_file",
        lambda path, *_, **__: asked.append(Path(path)) or True,
    )
    found = recipe_of(recipe)
    more = {"include_preprocessing": False} if "V3" in backbone else {}
    published = getattr(keras.applications, backbone)(
        include_top=False, weights=None, input_shape=(224, 224, 3), **more
    )
    write_as_downloaded(published, offline / file)
    section, names = getattr(found, role), ["a", "b", "c", "d"]
    with pytest.warns(UserWarning, match="stays new"):
        model = networks.build_network(section, found, names, "imagenet", role)
    ours = {layer.name: layer.get_weights() for layer in weighted_layers(model)}
    compared = 0
    for layer in published.layers:
        for theirs, own in (
            zip(layer.get_weights(), ours.get(layer.name, []), strict=True)
            if layer.get_weights()
            else ()
        ):
            # The first kernel of a ResNet was trained on BGR.
            turned = layer.name == "conv1_conv" and theirs.ndim == 4
            np.testing.assert_array_equal(own, theirs[:, :, ::-1] if turned else theirs)
            compared += 1
    assert compared > 50
    assert asked == [offline / file]


@pytest.mark.slow
def test_deits_published_preset_is_found_where_keras_hub_puts_it(offline):  # noqa: F811
    import keras_hub

    found = recipe_of("deit_to_resnet50")
    published = keras_hub.models.DeiTBackbone(
        image_shape=(224, 224, 3),
        patch_size=16,
        num_layers=12,
        num_heads=6,
        hidden_dim=384,
        intermediate_dim=1536,
    )
    folder = offline / "deit_small_distilled_patch16_224_imagenet"
    published.save_to_preset(str(folder))
    with pytest.warns(UserWarning, match="stays new"):
        model = networks.build_network(
            found.teacher, found, ["B", "M"], "imagenet", "teacher"
        )
    blocks = published.get_layer("deit_encoder").encoder_layers
    for number, block in enumerate(blocks, 1):
        own = model.get_layer(f"block{number}").get_weights()
        for ours, theirs in zip(own, block.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert model.output_shape == (None, 2)

import csv
import json
import shutil

import keras
import numpy as np
import pytest

import kerakd
from kerakd.data.volumes.batches import SliceBatches
from kerakd.distillation import TeacherCache
from kerakd.errors import DataError, ModelError, RecipeError
from kerakd.predict_case import predict_case
from kerakd.recipe import load_recipe, recipe_from
from kerakd.run import run_recipe
from kerakd.run.again import judge_again
from kerakd.run.caching import build_cache, verify_cache
from kerakd.run.compressing import compress_run
from kerakd.run.folder import Folder
from kerakd.run.learning_on import learn_on
from kerakd.run.segmentation.cases import prepare_cases, slices_of
from kerakd.run.segmentation.evaluating import evaluate_cases, segments
from kerakd.training import deterministic
from tests.data.volumes import made


def page(**changes):
    network = {
        "image_size": 16,
        "options": {"filters": [4, 8], "dropout": 0.0},
        "training": {"epochs": 1, "batch_size": 16, "learning_rate": 0.01},
    }
    return {
        "name": "Tiny",
        "task": "segmentation",
        "data": {"source": "kaggle_3m", "validation": 0.2, "test": 0.2},
        "volumes": {
            "empty_rate": 0.5,
            "batch_dice": True,
            "largest_component": True,
        },
        "augmentation": "slices",
        "teacher": {"model": "unet_teacher", **network},
        "student": {"model": "unet_student", **network},
        "distillation": {"losses": [{"name": "pixelwise_kl"}], "temperature": 2},
    } | changes


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for number in range(6):
        name = f"TCGA_AB_{number:04d}_19990101"
        made.write_tif_case(folder / "kaggle_3m", name, slices=30)
    return folder


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A whole run with one bad case, and what it returned."""
    bad = made.write_tif_case(data / "kaggle_3m", "TCGA_XX_0000_19990101", 5)
    (bad / f"{bad.name}_3_mask.tif").unlink()
    out = tmp_path_factory.mktemp("runs") / "run"
    recipe = recipe_from(page(), settings=["data.skip_bad=true"])
    cache = tmp_path_factory.mktemp("cache")
    recipe = recipe_from(
        page(),
        settings=["data.skip_bad=true", f"volumes.cache={cache}"],
    )
    metrics = run_recipe(recipe, out, data=data, verbose=0)
    return recipe, out, metrics


def test_the_run_folder_is_whole(finished):
    _, out, metrics = finished
    for name in (
        "recipe.yaml",
        "samples.csv",
        "splits.json",
        "teacher.keras",
        "student.keras",
        "student_baseline.keras",
        "student_float32.tflite",
        "history_teacher.csv",
        "cases.csv",
        "figures/dice.png",
        "figures/overlays.png",
        "figures/worst.png",
        "report.html",
        "model_card.md",
    ):
        assert (out / name).is_file(), name
    assert not (out / "checkpoints").exists()
    assert json.loads((out / "metrics.json").read_text()) == metrics
    assert set(metrics["models"]) == {"teacher", "student", "baseline"}
    test = metrics["models"]["student"]["test"]["WT"]
    assert 0 <= test["dice"]["mean"] <= 1
    assert test["dice"]["patients"] == metrics["data"]["patients"]["test"] == 1
    html = (out / "report.html").read_text()
    assert "Student, distilled" in html
    assert html.count("data:image/png") >= 3


def test_bad_cases_are_listed_in_the_report(finished):
    _, out, metrics = finished
    assert [one["id"] for one in metrics["data"]["bad_cases"]] == [
        "TCGA_XX_0000_19990101"
    ]
    assert "Bad cases left out (1)" in " ".join(metrics["warnings"])
    assert "has no mask" in (out / "report.html").read_text()


def test_patients_are_in_one_split_each(finished):
    _, out, _ = finished
    rows = list(csv.DictReader((out / "samples.csv").open()))
    assert len(rows) == 6
    assert {row["split"] for row in rows} == {"train", "validation", "test"}
    table = list(csv.DictReader((out / "cases.csv").open()))
    tested = {row["case"] for row in table}
    assert tested == {row["id"] for row in rows if row["split"] == "test"}


def test_the_models_of_a_run_know_their_channels(finished, data, tmp_path):
    _, out, metrics = finished
    case = next(csv.DictReader((out / "cases.csv").open()))["case"]
    dices = []
    for name in ("student.keras", "student_float32.tflite"):
        answer = predict_case(
            out / name, data / "kaggle_3m" / case, tmp_path / "mask.nii.gz"
        )
        dices.append(answer.metrics["WT"]["dice"])
        # As the run was judged: its answer for a case is one piece.
        assert "largest component" in answer.seconds
    mean = metrics["models"]["student"]["test"]["WT"]["dice"]["mean"]
    np.testing.assert_allclose(dices, mean, atol=5e-3)


def test_the_run_tells_what_its_files_keep(finished):
    _, out, metrics = finished
    told = metrics["export"]["float32"]
    moved = told["difference"]["WT"]["dice"]
    assert moved["patients"] == 1 and abs(moved["mean"]) < 1e-3
    assert told["voxel_agreement"]["student"] > 0.999
    assert told["regions"]["WT"]["dice"]["patients"] == 1
    card = (out / "model_card.md").read_text()
    assert "Research use only, not a medical device." in card
    assert f"student\\_float32.tflite ({told['bytes'] / 1e6:.3g} MB)" in card
    assert "z-score" in card and "### WT" in card


def test_a_student_of_z_scores_becomes_an_int8_file(finished, data, tmp_path):
    _, out, metrics = finished
    figures = compress_run(out, ["int8"], data, backend="converter", sensitive=False)
    assert [one["mode"] for one in figures["variants"]] == ["float32", "int8"]
    int8 = figures["variants"][1]
    assert figures["student"] == metrics["models"]["student"]["test"]
    before, after = figures["student"]["WT"]["dice"], int8["regions"]["WT"]["dice"]
    moved = int8["difference"]["WT"]["dice"]["mean"]
    assert moved == pytest.approx(after["mean"] - before["mean"], abs=1e-9)
    assert int8["dice"] == after["mean"] and int8["dice_interval"] == after["interval"]
    assert set(int8["agreement"]) == {"student", "teacher"}
    assert 0.7 < int8["agreement"]["student"] <= 1
    assert int8["verify"]["mean_abs_difference"] > 0
    assert int8["quantization"]["representative"]["per_class"]
    assert json.loads((out / "compression.json").read_text()) == figures
    case = next(csv.DictReader((out / "cases.csv").open()))["case"]
    file = out / "student_int8.tflite"
    answer = predict_case(file, data / "kaggle_3m" / case, tmp_path / "m.nii.gz")
    assert answer.metrics["WT"]["dice"] == pytest.approx(after["mean"], abs=1e-9)
    # And `kerakd evaluate` tells the same.
    found = evaluate_cases(file, data)
    assert found["regions"] == int8["regions"]
    assert list(found["cases"]) == [case] and found["patients"] == 1


def test_compressing_in_training_is_refused_by_a_sentence(finished, data):
    with pytest.raises(RecipeError, match="quantize_aware, prune or cluster"):
        learn_on(finished[1], "aware", data)


def test_a_model_file_is_evaluated_on_cases_of_any_split(finished, data, tmp_path):
    _, out, metrics = finished
    model = out / "student.keras"
    assert segments(model)
    found = evaluate_cases(model, data, "validation")
    told = metrics["models"]["student"]["validation"]
    assert found["regions"]["WT"]["dice"]["mean"] == told["WT"]["dice"]["mean"]
    with pytest.raises(RecipeError, match="no split 'tests'"):
        evaluate_cases(model, data, "tests")
    elsewhere = tmp_path / "student_float32.tflite"
    shutil.copy(out / elsewhere.name, elsewhere)
    with pytest.raises(DataError, match="--split all"):
        evaluate_cases(elsewhere, data)


def test_a_finished_run_is_not_repeated(finished, data):
    recipe, out, metrics = finished
    before = (out / "student.keras").stat().st_mtime_ns
    again = run_recipe(recipe, out, data=data, resume=True, verbose=0)
    assert again == metrics
    assert (out / "student.keras").stat().st_mtime_ns == before


@pytest.fixture(scope="module")
def cached(finished, data, tmp_path_factory):
    """A teacher trained alone, whose run went on with a cache; what the run said."""
    out = tmp_path_factory.mktemp("runs") / "run"
    settings = ["data.skip_bad=true", f"volumes.cache={finished[0].volumes.cache}"]
    recipe = recipe_from(page(), settings=settings)
    run_recipe(recipe, out, data=data, verbose=0, teacher_only=True)
    settings += [
        "baseline=false",
        "seeds=[3]",
        "student.training.epochs=3",
        "distillation.views=2",
        "distillation.temperature=3",
        "export.modes=[float32]",
    ]
    recipe, said = recipe_from(page(), settings=settings), []
    metrics = run_recipe(
        recipe, out, data=data, resume=True, verbose=0, say=said.append
    )
    return recipe, out, metrics, said


def test_the_run_of_a_teacher_alone_goes_on_with_another_distillation(cached, data):
    recipe, out, metrics, said = cached
    assert metrics["distillation"]["views"] == 2
    assert load_recipe(out / "recipe.yaml") == recipe
    slices = metrics["data"]["slices"]
    cache = TeacherCache.open(next((out / "teacher_cache").iterdir()))
    # 4 of 6 cases are for training, and every slice of theirs is there, whatever
    # empty_rate is: the epochs see others of those without tumour.
    assert cache.output_shape == (1, 16, 16, 2)
    assert cache.info["samples"] == slices * 4 // 6
    size = cache.info["samples"] * 2 * 16 * 16 * 2 * 4 / 1e6
    assert f"{cache.info['samples'] * 2} slices times views, {size:.0f} MB" in " ".join(
        said
    )
    assert cache._store.arrays["logits"].nbytes / 1e6 == size
    other = recipe_from(recipe.get_config(), settings=["distillation.views=3"])
    with pytest.raises(RecipeError, match=r"distillation\.views differs"):
        run_recipe(other, out, data=data, resume=True)


def test_a_cached_student_is_the_one_that_asks_its_teacher_at_each_step(cached, data):
    recipe, out, _, _ = cached
    volumes = prepare_cases(recipe, Folder.claim(out, recipe, resume=True), data)
    slices = SliceBatches(
        slices_of(recipe, volumes),
        "train",
        batch_size=16,
        shuffle=True,
        seed=0,
        order_seed=3,
        augment="slices",
        views=2,
        empty_rate=0.5,
    )
    deterministic(3)
    student = kerakd.models.build(
        "unet_student", 2, (16, 16, 3), **recipe.student.options
    )
    kerakd.train_student(
        student,
        slices,
        teacher=kerakd.load(out / "teacher.keras", compile=False),
        distillation_losses=kerakd.losses.PixelwiseKL(temperature=3),
        options=recipe.student.training,
        loss=kerakd.losses.DiceCrossentropy(batch=True),
        metrics=[],
        verbose=0,
    )
    kept = kerakd.load(out / "student.keras", compile=False)
    for mine, theirs in zip(student.get_weights(), kept.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_cache_is_built_from_a_run_and_verified(cached, data, tmp_path):
    _, out, _, _ = cached
    described = build_cache(
        out, tmp_path / "cache", data=data, mode="compact", progress=False
    )
    assert described["complete"]
    assert described["bytes_a_picture"] == pytest.approx(16 * 16 * 2, rel=0.1)
    found = verify_cache(out, tmp_path / "cache", data=data, count=2)
    assert found["max_abs_difference"] <= described["largest_coding_error"]


def test_a_cache_of_other_slices_is_refused(cached, data, tmp_path):
    recipe, out, _, _ = cached
    cache = next((out / "teacher_cache").iterdir())
    given = {"data": data, "cache": cache, "verbose": 0}
    config = recipe.get_config()
    config["teacher"] = {"file": str(out / "teacher.keras")}
    config["volumes"]["modalities"] = ["flair", "t1", "t1ce"]
    other = recipe_from(config)
    with pytest.raises(DataError, match="slices with other pixels"):
        run_recipe(other, tmp_path / "run", **given)


@pytest.mark.parametrize(
    ("setting", "sentence", "kind"),
    [
        ("teacher.image_size=32", "both see the same slices", RecipeError),
        ("student.model=unet_studnt", "student: ", ModelError),
        ("data.skip_bad=false", "Case TCGA_XX_0000_19990101: the slice", DataError),
        ("data.source=/absent/cases", "(?s)folder /absent/cases.*kaggle_3m", DataError),
        ("teacher.members=2", "has one teacher", RecipeError),
    ],
)
def test_mistakes_leave_nothing_behind(
    finished, data, tmp_path, setting, sentence, kind
):
    cache = finished[0].volumes.cache
    settings = ["data.skip_bad=true", f"volumes.cache={cache}", setting]
    recipe = recipe_from(page(), settings=settings)
    with pytest.raises(kind, match=sentence):
        run_recipe(recipe, tmp_path / "run", data=data, verbose=0)
    assert not (tmp_path / "run").exists()


def test_the_section_is_checked():
    with pytest.raises(RecipeError, match="belongs to `task: segmentation`"):
        recipe_from(page(task="classification"))
    with pytest.raises(RecipeError, match="Did you mean 'brats2023'"):
        recipe_from(page(volumes={"scheme": "brats2032"}))
    with pytest.raises(RecipeError, match="no modality 't3'"):
        recipe_from(page(volumes={"modalities": ["t3"]}))
    with pytest.raises(RecipeError, match="both 0"):
        recipe_from(page(volumes={"dice_weight": 0, "crossentropy_weight": 0}))
    recipe = recipe_from(page())
    assert recipe_from(recipe.get_config()) == recipe
    with pytest.raises(RecipeError, match="--sweep is for classification"):
        run_recipe(recipe, "unused", sweeps=[("distillation.temperature", [1, 2])])


def test_a_finished_run_is_judged_anew_with_the_models_it_has(cached, data):
    _, out, metrics, _ = cached
    before = (out / "student.keras").stat().st_mtime_ns
    shutil.rmtree(out / "teacher_cache")
    again = judge_again(out, data=data, verbose=0)
    assert again["models"]["student"]["test"] == metrics["models"]["student"]["test"]
    assert (out / "student.keras").stat().st_mtime_ns == before
    assert not (out / "teacher_cache").exists()


@pytest.mark.slow
def test_the_recipe_of_the_experiment_on_real_cases(real_data, tmp_path):
    recipe = load_recipe(
        "experiments/brats_lgg_cpu.yaml",
        tiny=True,
        settings=[f"volumes.cache={tmp_path}"],
    )
    metrics = run_recipe(recipe, tmp_path / "run", data=real_data, verbose=0)
    assert metrics["data"]["patients"] == {"test": 3, "train": 3, "validation": 2}
    assert keras.models.load_model(tmp_path / "run" / "student.keras", compile=False)
    assert kerakd.load(tmp_path / "run" / "teacher.keras", compile=False)

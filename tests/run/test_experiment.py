"""A recipe in, a finished run folder out."""

import json

import keras
import numpy as np
import pandas as pd
import pytest

import kerakd
from kerakd.data import Samples, load_splits
from kerakd.errors import KerakdError, RecipeError
from kerakd.evaluation import read_predictions
from kerakd.files import sha256_of
from kerakd.recipe import load_recipe
from kerakd.run import run_recipe
from tests.run.tiny import recipe


@pytest.fixture(scope="module")
def metrics(finished):
    return json.loads((finished / "metrics.json").read_text())


def test_the_run_folder_holds_all_that_was_promised(finished):
    promised = {
        "recipe.yaml",
        "samples.csv",
        "splits.json",
        "teacher.keras",
        "student.keras",
        "student_baseline.keras",
        "history_teacher.csv",
        "history_student.csv",
        "history_baseline.csv",
        "metrics.json",
        "predictions.csv",
        "student_float32.tflite",
        "report.html",
        "model_card.md",
    }
    assert promised <= {path.name for path in finished.iterdir()}
    figures = {path.name for path in (finished / "figures").iterdir()}
    assert {"history.png", "comparison.png", "gallery.png"} <= figures


def test_nothing_temporary_is_left(finished):
    assert not list(finished.rglob(".partial-*"))
    assert not (finished / "checkpoints").exists()


def test_the_recipe_of_the_folder_is_the_one_that_was_run(finished):
    assert load_recipe(finished / "recipe.yaml") == recipe()


def test_metrics_tell_every_model(metrics):
    assert metrics["phantom"] is True
    assert metrics["class_names"] == ["glioma", "meningioma", "notumor", "pituitary"]
    assert list(metrics["models"]) == [
        "teacher",
        "student",
        "baseline",
        "student_float32",
    ]
    for known in metrics["models"].values():
        assert known["parameters"] > 0
        assert known["megabytes"] > 0
        assert known["multiply_adds"] > 0
        assert known["ms_per_image"] > 0
        assert known["test"]["count"] == metrics["models"]["student"]["test"]["count"]
        intervals = known["test"]["intervals"]
        low, high = intervals["accuracy"]
        assert low <= known["test"]["accuracy"] <= high
        # Slices of one phantom patient are drawn together.
        assert intervals["groups"] < known["test"]["count"]
    assert metrics["kerakd"] == kerakd.__version__
    assert metrics["command"] == "kerakd run tiny"
    stages = {"data", "teacher", "student", "baseline", "export", "evaluation"}
    assert stages <= set(metrics["seconds"])


def test_costs_are_those_of_the_saved_models(finished, metrics):
    for role, file in (("teacher", "teacher"), ("baseline", "student_baseline")):
        model = kerakd.load(finished / f"{file}.keras")
        known = metrics["models"][role]
        assert known["parameters"] == model.count_params()
        assert known["megabytes"] == pytest.approx(4e-6 * model.count_params())


def test_metrics_are_those_of_the_saved_student_on_the_test_set(finished, metrics):
    samples = Samples.load(finished / "samples.csv", root=finished / "phantom")
    test = kerakd.data.batches(samples.subset("test"), 68, channels=1)
    again = kerakd.evaluate(kerakd.load(finished / "student.keras"), test)
    told = metrics["models"]["student"]["test"]
    assert again["confusion_matrix"] == told["confusion_matrix"]
    assert again["log_loss"] == pytest.approx(told["log_loss"], rel=1e-4)


def test_predictions_are_those_of_the_test_images(finished, metrics):
    said = read_predictions(finished / "predictions.csv")
    samples = Samples.load(finished / "samples.csv", root=finished / "phantom")
    assert list(said.ids) == list(samples.subset("test").ids)
    assert set(said.logits) == set(metrics["models"])
    right = (said.predicted("student") == said.labels).mean()
    assert right == pytest.approx(metrics["models"]["student"]["test"]["accuracy"])


def test_the_export_says_what_keras_says(finished, metrics):
    export = metrics["export"]
    assert export["path"] == "student_float32.tflite"
    assert export["bytes"] == (finished / export["path"]).stat().st_size
    assert export["max_abs_difference"] < 1e-4
    assert export["top1_agreement"] == 1


def test_every_pair_of_models_is_compared(metrics):
    pairs = {(one["a"], one["b"]) for one in metrics["comparisons"]["test"]}
    assert len(pairs) == 6
    found = {(one["a"], one["b"]): one for one in metrics["comparisons"]["test"]}
    one = found["student", "baseline"]
    scores = [metrics["models"][m]["test"]["accuracy"] for m in ("student", "baseline")]
    assert one["accuracy"]["difference"] == pytest.approx(scores[0] - scores[1])
    same = found["student", "student_float32"]["mcnemar"]
    assert same["only_a_right"] == same["only_b_right"] == 0


def test_fidelity_is_that_of_the_predictions(finished, metrics):
    said = read_predictions(finished / "predictions.csv")
    agreed = (said.predicted("teacher") == said.predicted("student")).mean()
    told = metrics["fidelity"]["test"]["student"]
    assert told["top1_agreement"] == pytest.approx(agreed)
    assert set(metrics["fidelity"]["test"]) == {
        "student",
        "baseline",
        "student_float32",
    }


def test_temperatures_are_fitted_on_validation_and_stored(finished, metrics):
    stored = json.loads((finished / "calibration.json").read_text())
    samples = Samples.load(finished / "samples.csv")
    assert stored["images"] == len(samples.subset("validation"))
    assert set(stored["temperatures"]) == set(metrics["models"])
    for model, known in metrics["models"].items():
        told = known["calibration"]
        assert told["temperature"] == stored["temperatures"][model]
        fitted = told["validation"]
        assert fitted["scaled"]["log_loss"] <= fitted["as_it_is"]["log_loss"] + 1e-9
        as_it_is = told["test"]["as_it_is"]["log_loss"]
        assert as_it_is == pytest.approx(known["test"]["log_loss"])


def test_no_patient_is_on_both_sides_of_a_split(finished):
    samples = Samples.load(finished / "samples.csv", root=finished / "phantom")
    samples = load_splits(samples, finished / "splits.json")
    groups = samples.table.groupby("group")["split"].nunique()
    assert groups.max() == 1
    assert groups.size < len(samples)


def test_saved_models_carry_no_optimizer(finished):
    model = keras.models.load_model(finished / "student.keras")
    assert not model.compiled


def test_the_student_saw_its_own_size_and_the_teacher_a_larger_one(finished):
    assert kerakd.load(finished / "student.keras").input_shape == (None, 68, 68, 1)
    assert kerakd.load(finished / "teacher.keras").input_shape == (None, 72, 72, 1)


def test_the_report_says_phantom(finished):
    for name in ("report.html", "model_card.md"):
        assert "hantom" in (finished / name).read_text()


# The same recipe, again ------------------------------------------------------------


def weights_of(folder, name="student"):
    return kerakd.load(folder / f"{name}.keras").get_weights()


def assert_same_weights(a, b, name="student"):
    for one, other in zip(weights_of(a, name), weights_of(b, name), strict=True):
        np.testing.assert_array_equal(one, other)


class Interrupted(Exception):
    """Stands for whatever ends a process."""


def run_until(moment: str, out, **options):
    def say(text):
        if text.startswith(moment):
            raise Interrupted

    with pytest.raises(Interrupted):
        run_recipe(recipe(), out, verbose=0, say=say, **options)


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(finished, tmp_path):
    out = tmp_path / "run"
    run_until("Student", out)
    assert (out / "teacher.keras").is_file()
    trained = sha256_of(out / "teacher.keras")
    run_until("The same student", out, resume=True)
    assert sha256_of(out / "teacher.keras") == trained
    metrics = run_recipe(recipe(), out, resume=True, verbose=0)
    for name in ("teacher", "student", "student_baseline"):
        assert_same_weights(out, finished, name)
    told = json.loads((finished / "metrics.json").read_text())
    for role in ("teacher", "student", "baseline"):
        assert metrics["models"][role]["test"] == told["models"][role]["test"]


def test_a_finished_run_is_told_and_not_repeated(finished):
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*")}
    said = []
    metrics = run_recipe(recipe(), finished, resume=True, say=said.append)
    assert metrics == json.loads((finished / "metrics.json").read_text())
    assert said == [f"The run in {finished} is finished."]
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("*")} == before


def test_a_folder_in_use_is_refused(finished):
    with pytest.raises(KerakdError, match=r"holds files already.*--resume"):
        run_recipe(recipe(), finished)


def test_a_run_is_not_resumed_with_another_recipe(finished):
    other = recipe(student__training__epochs=3, seed=5, seeds=[0])
    with pytest.raises(RecipeError, match=r"student\.training\.epochs, seed differ;"):
        run_recipe(other, finished, resume=True)


def test_what_leaves_the_weights_alone_may_differ_on_resume(finished):
    other = recipe(description="new words", student__training__tensorboard=True)
    run_recipe(other, finished, resume=True)


def test_a_folder_of_something_else_is_not_resumed(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(KerakdError, match="no run to resume"):
        run_recipe(recipe(), tmp_path, resume=True)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_mistake_that_shows_before_training_leaves_nothing(tmp_path):
    out = tmp_path / "deep" / "run"
    with pytest.raises(KerakdError, match="no option 'depth'"):
        run_recipe(recipe(student__options={"depth": 3}), out, verbose=0)
    assert not out.exists()


# More than one of everything ---------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Two teachers, two seeds, a sweep of two, a teacher cache."""
    out = tmp_path_factory.mktemp("large") / "run"
    several = recipe(
        seeds=[0, 1], teacher__members=2, distillation__views=1, data__limit=2
    )
    sweeps = [("distillation.temperature", [1.0, 6.0])]
    return out, run_recipe(several, out, sweeps=sweeps, verbose=0)


def test_two_teachers_speak_with_one_voice(large):
    out, metrics = large
    teachers = [kerakd.load(out / f"teacher_{i}.keras") for i in range(2)]
    known = metrics["models"]["teacher"]
    assert known["title"].startswith("2 x alexnet")
    assert known["parameters"] == sum(t.count_params() for t in teachers)
    samples = Samples.load(out / "samples.csv", root=out / "phantom")
    test = kerakd.data.batches(samples.subset("test"), 72, channels=1)
    each = [keras.ops.softmax(t.predict(test.dataset(), verbose=0)) for t in teachers]
    mean = np.mean(each, axis=0)
    said = read_predictions(out / "predictions.csv")
    np.testing.assert_allclose(said.probabilities("teacher"), mean, atol=1e-5)
    first, second = (t.get_weights()[-2] for t in teachers)
    assert not np.array_equal(first, second)


def test_every_seed_is_told_with_mean_and_spread(large):
    out, metrics = large
    for role, file in (("student", "student"), ("baseline", "student_baseline")):
        known = metrics["models"][role]
        assert [row["seed"] for row in known["seeds"]] == [0, 1]
        tests = [row["test"]["log_loss"] for row in known["seeds"]]
        assert known["mean"]["log_loss"] == pytest.approx(np.mean(tests))
        assert known["spread"]["log_loss"] == pytest.approx(np.std(tests, ddof=1))
        chosen = out / f"seed_{known['seed']}" / f"{file}.keras"
        assert sha256_of(out / f"{file}.keras") == sha256_of(chosen)
    assert set(metrics["distillation"]["differences"]) == {"0", "1"}
    assert "2 seeds" in metrics["distillation"]["verdict"]


def test_the_sweep_is_judged_on_validation_and_gone_on_with(large):
    out, metrics = large
    told = metrics["sweep"]
    assert told["judged_on"] == "validation"
    table = pd.read_csv(out / "sweep.csv")
    assert list(table["distillation.temperature"]) == [1, 6]
    best = table.sort_values(["accuracy", "log_loss"], ascending=[False, True]).iloc[0]
    chosen = told["chosen"]["distillation.temperature"]
    assert chosen == best["distillation.temperature"]
    assert metrics["distillation"]["temperature"] == chosen
    assert load_recipe(out / "recipe_chosen.yaml").distillation.temperature == chosen
    swept = out / "sweep" / f"temperature={chosen}" / "student.keras"
    assert sha256_of(swept) == sha256_of(out / "seed_0" / "student.keras")


def test_a_limit_holds_and_is_told(large):
    _, metrics = large
    for split, most in (("train", 2), ("validation", 2), ("test", 2)):
        assert max(metrics["data"]["counts"][split].values()) <= most
    assert any("a trial, not a result" in text for text in metrics["warnings"])


def test_a_sweep_is_resumed_with_the_same_sweep_only(large):
    out, _ = large
    ledger = json.loads((out / "run.json").read_text())
    ledger["stages"].pop("report")
    (out / "run.json").write_text(json.dumps(ledger))
    several = recipe(
        seeds=[0, 1], teacher__members=2, distillation__views=1, data__limit=2
    )
    with pytest.raises(RecipeError, match="another sweep"):
        run_recipe(several, out, resume=True, verbose=0)


# A teacher from a file ---------------------------------------------------------------


def test_a_teacher_that_knows_held_out_images_is_told(finished, tmp_path):
    file = str(finished / "teacher.keras")
    found = recipe(
        baseline=False,
        seed=1,
        seeds=[0],
        teacher__model=None,
        teacher__file=file,
        data__limit=1,
    )
    metrics = run_recipe(found, tmp_path / "run", verbose=0)
    assert any("was trained on" in text for text in metrics["warnings"])


# Copies in training, and judging anew ------------------------------------------------


def test_both_lines_are_told_where_copies_are_known(leaky, finished):
    out, metrics = leaky
    test = Samples.load(out / "samples.csv").subset("test")
    assert metrics["audit"]["with_a_copy"] == 1
    for known in metrics["models"].values():
        assert known["test"]["count"] == len(test)
        assert known["test_without_copies"]["count"] == len(test) - 1
    for key in ("comparisons", "fidelity"):
        assert set(metrics[key]) == {"test", "test_without_copies"}
    said = read_predictions(out / "predictions.csv")
    assert said.has_copy.tolist() == [True] + [False] * (len(test) - 1)
    rows = ~said.has_copy
    right = (said.predicted("teacher") == said.labels)[rows].mean()
    told = metrics["models"]["teacher"]["test_without_copies"]["accuracy"]
    assert told == pytest.approx(right)


def test_judging_anew_keeps_models_and_figures(leaky, finished):
    out, metrics = leaky
    before = json.loads((finished / "metrics.json").read_text())
    assert sha256_of(out / "student.keras") == sha256_of(finished / "student.keras")
    assert metrics["command"] == before["command"]
    for role in before["models"]:
        one, other = (m["models"][role]["test"] for m in (before, metrics))
        assert one["confusion_matrix"] == other["confusion_matrix"]


def test_every_model_is_judged_on_images_from_elsewhere(leaky):
    out, metrics = leaky
    (found,) = metrics["external"]
    assert found["source"] == "elsewhere"
    assert found["mapping"]["yes"] == ["glioma", "meningioma", "pituitary"]
    assert found["class_names"] == ["no", "yes"]
    assert set(found["models"]) == set(metrics["models"])
    samples = Samples.load(out / "samples.csv")
    said = read_predictions(out / "predictions.csv")
    here = samples.subset("test").table["label"].to_numpy() != "meningioma"
    p = said.probabilities("teacher")[here]
    tumour = p[:, [0, 1, 3]].sum(axis=1) > p[:, 2]
    right = (tumour == (said.labels[here] != 2)).mean()
    assert found["models"]["teacher"]["accuracy"] == pytest.approx(right)
    # The recipe of the folder tells what was asked in the end.
    assert len(load_recipe(out / "recipe.yaml").external) == 1

"""Every image tested once, by models that saw neither it nor its patient."""

import json

import numpy as np
import pytest

from kerakd.data import Samples
from kerakd.errors import RecipeError
from kerakd.evaluation import read_predictions
from kerakd.run import run_folds
from tests.run.tiny import recipe


def short():
    """One epoch; half of the images outside a fold are for validation."""
    return recipe(
        baseline=False,
        data__validation=0.5,
        teacher__training__epochs=1,
        student__training__epochs=1,
    )


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    out = tmp_path_factory.mktemp("folds") / "run"
    return out, run_folds(short(), out, 2, command="kerakd run --folds 2", verbose=0)


def test_every_image_is_tested_once(crossed):
    out, metrics = crossed
    said = read_predictions(out / "predictions.csv")
    parts = [Samples.load(out / f"fold_{n}" / "samples.csv") for n in (1, 2)]
    assert sorted(said.ids) == sorted(parts[0].ids)
    tested = [set(one.subset("test").ids) for one in parts]
    assert not tested[0] & tested[1]
    right = (said.predicted("student") == said.labels).mean()
    assert metrics["models"]["student"]["test"]["accuracy"] == pytest.approx(right)
    assert metrics["models"]["student"]["test"]["count"] == len(said.ids)


def test_no_patient_and_no_copies_stand_on_both_sides(crossed):
    out, metrics = crossed
    for number in (1, 2):
        samples = Samples.load(out / f"fold_{number}" / "samples.csv")
        assert samples.table.groupby("group")["split"].nunique().max() == 1
        told = json.loads((out / f"fold_{number}" / "metrics.json").read_text())
        assert told["audit"]["with_a_copy"] == 0
    assert metrics["audit"]["with_a_copy"] == 0


def test_mean_and_spread_are_those_of_the_folds(crossed):
    out, metrics = crossed
    found = metrics["folds"]
    each = [
        json.loads((out / f"fold_{n}" / "metrics.json").read_text()) for n in (1, 2)
    ]
    for model in ("teacher", "student"):
        values = [one["models"][model]["test"]["accuracy"] for one in each]
        assert [row["test"][model] for row in found["rows"]] == values
        assert found["mean"][model] == pytest.approx(np.mean(values))
        assert found["spread"][model] == pytest.approx(np.std(values, ddof=1))
    page = (out / "report.html").read_text()
    assert "Cross-validation" in page
    assert "2 folds" in page


def test_finished_folds_are_told_and_not_repeated(crossed):
    out, _ = crossed
    said = []
    again = run_folds(short(), out, 2, resume=True, say=said.append)
    assert again == json.loads((out / "metrics.json").read_text())
    assert said == [f"The folds in {out} are finished."]
    with pytest.raises(RecipeError, match="--folds"):
        run_folds(short(), out, 3, resume=True)


def test_one_fold_is_none(tmp_path):
    with pytest.raises(RecipeError, match="2 or more"):
        run_folds(recipe(), tmp_path / "run", 1)
    assert not (tmp_path / "run").exists()

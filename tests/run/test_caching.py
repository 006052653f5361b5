import json

import pytest

import kerakd
from kerakd.files import read_json
from kerakd.run import run_recipe
from kerakd.run.caching import build_cache, verify_cache
from tests.run.tiny import recipe


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run with a trained teacher, and its cache, carried away from it."""
    run = tmp_path_factory.mktemp("big") / "run"
    page = recipe(data__audit=False, teacher__training__epochs=1)
    run_recipe(page, run, teacher_only=True, verbose=0)
    out = tmp_path_factory.mktemp("carried") / "cache"
    return run, out, build_cache(run, out, views=2, mode="compact", progress=False)


def test_a_cache_is_built_told_and_verified(made):
    run, out, described = made
    assert described["complete"] and described["views"] == 2
    assert described["mode"] == "compact"
    assert json.loads(json.dumps(described))["path"] == str(out)
    found = verify_cache(run, out, count=2)
    assert 0 < found["max_abs_difference"] <= described["largest_coding_error"] + 1e-6


def test_a_student_is_distilled_from_it(made, tmp_path):
    run, out, _ = made
    found = recipe(
        baseline=False,
        data__audit=False,
        teacher__model=None,
        teacher__file=str(run / "teacher.keras"),
        distillation__views=2,
        student__training__epochs=1,
    )
    metrics = run_recipe(found, tmp_path / "run", cache=out, verbose=0)
    assert not (tmp_path / "run" / "teacher_cache").exists()
    assert metrics["models"]["student"]["test"]["count"] > 0
    assert read_json(tmp_path / "run" / "metrics.json")["name"] == "tiny"


def test_a_cache_of_something_else_is_refused(made, tmp_path):
    run, out, _ = made
    other = recipe(
        baseline=False,
        data__audit=False,
        teacher__model=None,
        teacher__file=str(run / "teacher.keras"),
        distillation__views=2,
        augmentation="flip_rotation",
    )
    with pytest.raises(kerakd.KerakdError, match="another augmentation"):
        run_recipe(other, tmp_path / "run", cache=out, verbose=0)
    with pytest.raises(kerakd.KerakdError, match="no trained teacher"):
        build_cache(tmp_path, tmp_path / "cache")


RELATION = {
    "name": "similarity_preserving",
    "teacher_layer_name": "fc7",
    "student_layer_name": "fc7",
}


def test_a_layer_that_a_loss_reads_is_cached_or_refused_at_once(
    made, tmp_path, monkeypatch
):
    run, _, _ = made
    found = recipe(
        baseline=False,
        data__audit=False,
        teacher__model=None,
        teacher__file=str(run / "teacher.keras"),
        distillation__views=1,
        distillation__losses=[RELATION],
        student__training__epochs=1,
    )
    monkeypatch.setattr("kerakd.distillation.cache.features.LIMIT", 100)
    with pytest.raises(kerakd.KerakdError, match=r"'fc7' gives .* numbers"):
        run_recipe(found, tmp_path / "refused", verbose=0)
    assert not (tmp_path / "refused").exists()
    monkeypatch.undo()
    run_recipe(found, tmp_path / "run", verbose=0)
    assert list((tmp_path / "run" / "teacher_cache").glob("*/features_0.npy"))

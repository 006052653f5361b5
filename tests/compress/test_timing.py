"""Times are of one image and in order."""

import pytest

from kerakd.compress import benchmark, quantize
from kerakd.errors import RecipeError


def test_times_are_plausible(exported):
    times = benchmark(exported.path, runs=20, threads=1)
    assert 0 < times["min_ms"] <= times["median_ms"] <= times["p95_ms"] < 1000
    assert times["runs"] == 20 and times["threads"] == 1


def test_a_file_of_any_batch_is_measured_with_one_image(model, tmp_path):
    export = quantize(model, path=tmp_path / "m.tflite", batch_size=None)
    assert benchmark(export.path, runs=3)["median_ms"] > 0


def test_no_runs(exported):
    with pytest.raises(RecipeError, match="runs must be at least 1"):
        benchmark(exported.path, runs=0)

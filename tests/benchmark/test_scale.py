import pytest
from typer.testing import CliRunner

from kerakd.benchmark import scale
from kerakd.benchmark.scale import STAGES, benchmark_scale
from kerakd.cli.app import app
from kerakd.errors import RecipeError
from kerakd.files import read_json


def test_sizes_and_stages_that_cannot_be_measured():
    with pytest.raises(RecipeError, match="sizes of 1,000 samples or more"):
        benchmark_scale([10])
    with pytest.raises(RecipeError, match="No stage 'train'; there are audit, cache"):
        benchmark_scale([1000], ["train"])


def test_made_up_pictures_are_those_of_their_labels(tmp_path):
    batches = scale._batches(1000, tmp_path)
    x, y = next(iter(batches.stream()))
    assert x.shape == (scale.BATCH, scale.SIZE, scale.SIZE, 1)
    levels = [x[y == label].mean() for label in range(scale.CLASSES)]
    assert levels == sorted(levels) and levels[-1] - levels[0] > 100
    # Pixels are found again, not made anew.
    assert scale._pixels(1000, tmp_path).stat().st_size > 1000 * scale.SIZE**2


def test_a_run_that_is_killed_keeps_what_it_measured(monkeypatch, tmp_path):
    measure = scale._in_process

    def killed(stage, size, folder):
        if (stage, size) == ("evaluation", 2000):
            raise KeyboardInterrupt
        return measure("audit", size, folder) | {"stage": stage}

    monkeypatch.setattr(scale, "_in_process", killed)
    path = tmp_path / "scale.json"
    arguments = ["--samples", "2000", "--samples", "1000", "--json", str(path)]
    stages = ["--stage", "cache", "--stage", "evaluation"]
    done = CliRunner().invoke(app, ["benchmark", "scale", *arguments, *stages])
    assert done.exit_code != 0
    runs = read_json(path)["runs"]
    assert [(run["stage"], run["samples"]) for run in runs] == [
        ("cache", 1000),
        ("evaluation", 1000),
        ("cache", 2000),
    ]
    printed = [line.split() for line in done.output.splitlines()]
    rows = [line[:2] for line in printed if line and line[0] in ("cache", "evaluation")]
    assert rows == [["cache", "1,000"], ["evaluation", "1,000"], ["cache", "2,000"]]


@pytest.mark.slow
def test_every_stage_is_measured(tmp_path):
    path = tmp_path / "scale.json"
    arguments = ["benchmark", "scale", "--samples", "1000", "--json", str(path)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    figures = read_json(path)
    assert [run["stage"] for run in figures["runs"]] == list(STAGES)
    for run in figures["runs"]:
        assert run["samples"] == 1000
        assert run["processor_seconds"] > 0
        assert run["megabytes_peak"] >= run["megabytes_before"] > 10
        each = 1e6 * run["processor_seconds"] / 1000
        assert run["microseconds_a_sample"] == pytest.approx(each, rel=0.01)

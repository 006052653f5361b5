"""int8 against float32, network by network."""

import copy
import json

import pytest
from typer.testing import CliRunner

from kerakd.benchmark import benchmark_int8, int8
from kerakd.cli.app import app
from kerakd.errors import RecipeError
from kerakd.files import read_json

TINY = {
    "first": ("plain_cnn", 32, {"backend": "converter"}, 0.5),
    "second": ("plain_cnn", 32, {"backend": "converter", "integer_only": True}, 0.5),
}


def test_all_networks_that_are_asked_for_have_a_name():
    assert set(int8.CASES) == {
        "mobilenet_v3_small",
        "mobilenet_v3_small_integer_only",
        "mobilenet_v2",
        "resnet50",
        "unet_student",
        "efficientnet_v2_b0",
        "unet_teacher",
        "alexnet",
    }


def test_each_network_is_told_as_soon_as_it_is_done(monkeypatch):
    monkeypatch.setattr(int8, "CASES", TINY)
    told, said = [], []

    def tell(figures):
        told.append(copy.deepcopy(figures))

    figures = benchmark_int8(seconds=0.01, say=said.append, tell=tell)
    assert [list(one["cases"]) for one in told] == [["first"], ["first", "second"]]
    assert told[-1] == figures
    assert [text.split(":")[0] for text in said] == ["first"] * 4 + ["second"] * 4
    for one in figures["cases"].values():
        ratio = one["ratio"]
        assert 0 < ratio["lower_quartile"] <= ratio["median"] <= ratio["upper_quartile"]
        assert one["float32"]["runs"] == one["int8"]["runs"] >= 10
        assert one["partitions"] == 1
        assert one["size_ratio"] < 1
        assert [out["operator"] for out in one["outside"]] == ["QUANTIZE"]
        assert "pixels" in one["outside"][0]["reason"]


def test_a_run_that_is_killed_keeps_what_it_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(int8, "CASES", TINY)
    measure = int8._measure

    def killed(case, *rest):
        if case == "second":
            raise KeyboardInterrupt
        return measure(case, *rest)

    monkeypatch.setattr(int8, "_measure", killed)
    path = tmp_path / "int8.json"
    arguments = ["benchmark", "int8", "--seconds", "0.01", "--json", str(path)]
    result = CliRunner().invoke(
        app, [*arguments, "--model", "first", "--model", "second"]
    )
    assert result.exit_code != 0
    assert list(read_json(path)["cases"]) == ["first"]
    row = next(x for x in result.output.splitlines() if x.startswith("first  "))
    median = read_json(path)["cases"]["first"]["ratio"]["median"]
    assert f"{median:.2f}" in row.split()
    assert "1 QUANTIZE" in result.output
    assert json.loads(path.read_text())["seconds"] == 0.01


def test_an_unknown_network_and_no_time_are_refused():
    with pytest.raises(RecipeError, match="mobilenet_v2"):
        benchmark_int8(["mobilenet_v4"])
    with pytest.raises(RecipeError, match="`seconds`"):
        benchmark_int8(["alexnet"], seconds=0)

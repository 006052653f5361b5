import pytest

from kerakd.benchmark.contenders import contenders, names
from kerakd.benchmark.methods import benchmark_methods, draw_views
from kerakd.distillation.registry import LOSSES
from kerakd.errors import RecipeError


def test_every_loss_for_classifiers_is_compared():
    compared = {loss.name for one in contenders().values() for loss in one.losses()}
    # A loss for the pixels of a segmentation has nothing to say here.
    assert set(LOSSES) - compared == {"pixelwise_kl"}
    assert names()[0] == "alone"


def test_an_unknown_method_is_named(tmp_path):
    with pytest.raises(RecipeError, match="kl_divergenc"):
        benchmark_methods(tmp_path, methods=["kl_divergenc"])


def test_views_are_drawn(tmp_path):
    row = {"accuracy": {"mean": 0.9, "standard_deviation": 0.01}}
    draw_views({"seeds": [0], "views": {"1": row, "online": row}}, tmp_path / "v.png")
    assert (tmp_path / "v.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_methods_are_judged_and_taken_up_again(real_data, tmp_path):
    options = {"per_class": 12, "epochs": 1, "seeds": (0, 1)}
    found = benchmark_methods(
        tmp_path, real_data, methods=["alone", "born_again"], trade=[1], **options
    )
    assert set(found["methods"]) == {"alone", "born_again"}
    assert set(found["views"]) == {"1"}
    assert all(len(m["accuracy"]["each"]) == 2 for m in found["methods"].values())
    more = benchmark_methods(tmp_path, real_data, methods=["kl_divergence"], **options)
    assert set(more["methods"]) == {"alone", "born_again", "kl_divergence"}
    assert more["methods"]["alone"] == found["methods"]["alone"]

import json

import pytest

from kerakd.benchmark import benchmark_step
from kerakd.benchmark.timing import interleave, ratio
from kerakd.errors import RecipeError

TINY = {"image_size": 32, "batch_size": 2, "steps": 1, "repeats": 2}


@pytest.mark.slow
def test_every_ratio_is_of_two_steps_that_were_timed():
    found = benchmark_step(**TINY, teacher="plain_cnn", student="plain_cnn")
    found = json.loads(json.dumps(found, allow_nan=False))
    for name, one in found["ratios"].items():
        assert set(name.split(" / ")) <= set(found["steps"])
        assert 0 < one["lower_quartile"] <= one["median"] <= one["upper_quartile"]
    assert {"cached / student alone", "online / keras Distiller"} <= set(
        found["ratios"]
    )
    assert found["ratios"]["cache build / teacher.predict"]["bar"] == 1.05
    assert 0 < found["bfloat16_logit_difference"]["of_spread"] < 1


@pytest.mark.parametrize("options", [{"steps": 0}, {"repeats": 0}, {"parts": ["x"]}])
def test_what_cannot_be_timed_is_refused(options):
    with pytest.raises(RecipeError, match=next(iter(options))):
        benchmark_step(**{**TINY, **options})


def test_blocks_take_turns_after_one_untimed():
    order = []
    blocks = {name: lambda name=name: order.append(name) for name in "ab"}
    times = interleave(blocks, 2)
    assert "".join(order) == "ab" + "ab" + "ba"
    assert times["a"].shape == (2, 2)
    assert ratio(times, "a", "a")["median"] == 1.0

import json

import pytest

from kerakd.benchmark import benchmark_pipeline
from kerakd.errors import RecipeError


def test_times_and_ratios_fit_together():
    found = benchmark_pipeline(image_size=32, batch_size=4, steps=2, repeats=2)
    found = json.loads(json.dumps(found, allow_nan=False))
    assert found["one_tensor"]["milliseconds_per_step"] > 0
    assert set(found["pipelines"]) == {"flip", "full"}
    for pipeline in found["pipelines"].values():
        assert pipeline["bar"] > 1
        assert 0 < pipeline["pipeline_milliseconds_per_batch"] < 1000
        for ratio in (pipeline["ratio"], pipeline["processor_ratio"]):
            assert 0 < ratio["lower_quartile"] <= ratio["median"]
            assert ratio["median"] <= ratio["upper_quartile"]


@pytest.mark.parametrize("options", [{"steps": 0}, {"repeats": -1}])
def test_counts_below_one_are_refused(options):
    with pytest.raises(RecipeError, match=next(iter(options))):
        benchmark_pipeline(**options)

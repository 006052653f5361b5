import json

import pytest

from kerakd.benchmark import benchmark_explain
from kerakd.errors import RecipeError
from tests.explain import tiny


def test_maps_and_forward_passes_take_turns():
    found = benchmark_explain(
        tiny.SIZE, batch_size=2, repeats=2, methods=["gradcam"], model=tiny.flat()
    )
    json.dumps(found, allow_nan=False)
    assert list(found["blocks"]) == ["forward pass", "gradcam", "tf-keras-vis gradcam"]
    assert set(found["ratios"]) == {"gradcam", "tf-keras-vis gradcam"}
    assert found["ratios"]["gradcam"]["median"] > 0
    with pytest.raises(RecipeError, match="at least 1; got 32, 2 and 0"):
        benchmark_explain(32, 2, 0)

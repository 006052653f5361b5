import json

import pytest

from kerakd.benchmark.profile import benchmark_profile


@pytest.mark.slow
def test_operations_and_steps_are_those_of_the_student():
    found = benchmark_profile(32, batch_size=2, repeats=2, student="plain_cnn")
    found = json.loads(json.dumps(found, allow_nan=False))
    kinds = {name: set(spent) for name, spent in found["operations"].items()}
    plain, fused = kinds["adam"], kinds["adam, fused"]
    assert any("Conv2D" in kind for kind in plain & fused)
    assert any("FusedBatchNorm" in kind for kind in fused - plain)
    for spent in found["operations"].values():
        assert all(one >= 0 for one in spent.values())
    assert found["steps"]["forward"]["milliseconds"] > 0

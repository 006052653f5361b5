import json

import pytest

from kerakd.benchmark import benchmark_audit
from kerakd.errors import RecipeError


def test_planted_copies_are_found_at_every_size():
    found = json.loads(json.dumps(benchmark_audit((200, 600))))
    assert [run["images"] for run in found["runs"]] == [200, 600]
    for run in found["runs"]:
        assert run["planted"] == run["images"] // 10 - 1
        assert run["found"] == run["planted"] <= run["candidates"]
        assert run["processor_seconds"] > 0 and run["crowded"] == 0


def test_a_size_too_small():
    with pytest.raises(RecipeError, match="100 or more"):
        benchmark_audit((50,))

"""What the machine is, and what it is warned of."""

import warnings

import pytest

from kerakd import hardware
from kerakd.training.precision import mixed_precision
from tests.distillation.tiny import make_model

OLD = frozenset({"fpu", "avx2"})
NEW = frozenset({"fpu", "avx2", "avx512_bf16"})


def test_this_machine_is_told():
    assert hardware.processor().strip()
    assert hardware.cores() >= 1
    assert isinstance(hardware.gpus(), list)


@pytest.mark.parametrize(
    ("flags", "dtype", "slow"),
    [
        (OLD, "bfloat16", True),
        (OLD, "float16", True),
        (NEW, "bfloat16", False),
        (NEW, "float16", True),
        (OLD, None, False),
        # Nothing tells what the processor has.
        (frozenset(), "bfloat16", False),
    ],
)
@pytest.mark.skipif(bool(hardware.gpus()), reason="a GPU computes both")
def test_a_dtype_that_the_processor_lacks_is_warned_of(flags, dtype, slow, monkeypatch):
    monkeypatch.setattr(hardware, "instructions", lambda: flags)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with mixed_precision(make_model(2, 0), dtype):
            pass
    said = [str(one.message) for one in caught if one.category is UserWarning]
    assert len(said) == slow
    if slow:
        assert f"mixed_precision={dtype!r}" in said[0]
        assert "Leave mixed_precision out here" in said[0]

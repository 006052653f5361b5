"""Several devices train as one does."""

import sys

import numpy as np
import pytest

from kerakd.errors import RecipeError
from kerakd.training import devices, on_devices
from tests.backends import interpreter, run_python


def compare(path, tolerance):
    """Histories and weights on two devices beside those on one."""
    with np.load(path) as stored:
        found = dict(stored)
    pairs = [(key, key.replace("two/", "one/", 1)) for key in found if "two/" in key]
    for key, other in pairs:
        if key.endswith("/seconds"):
            continue
        # Half precision rounds sums of 6 and of 11 samples differently.
        allowed = 2e-3 if "/float16/" in key else tolerance
        np.testing.assert_allclose(
            found[key], found[other], rtol=allowed, atol=allowed, err_msg=key
        )
    return found


def test_two_devices_give_the_losses_metrics_and_weights_of_one(tmp_path):
    out = tmp_path / "found.npz"
    run_python(sys.executable, "-m", "tests.training.spread", out, backend="tensorflow")
    found = compare(out, 1e-5)
    for key in ("loss", "student_loss", "hint", "accuracy", "val_loss", "val_accuracy"):
        assert f"two/weighted/history/{key}" in found
    # Weights of samples count, and something is learned.
    losses = [found[f"two/{name}/history/loss"] for name in ("weighted", "plain")]
    assert not np.allclose(*losses)
    assert losses[1][1] < losses[1][0]


@pytest.mark.slow
def test_two_devices_of_jax_do_so_too(tmp_path):
    out = tmp_path / "found.npz"
    run_python(
        interpreter("jax"),
        "-m",
        "tests.training.spread",
        out,
        backend="jax",
        XLA_FLAGS="--xla_force_host_platform_device_count=2",
    )
    compare(out, 1e-5)


def test_one_device_changes_nothing():
    with on_devices(1):
        assert devices.current() is None
    assert devices.current() is None


def test_devices_that_are_not_there_are_named():
    with (
        pytest.raises(RecipeError, match="5 devices were asked for, and there"),
        on_devices(5),
    ):
        pass
    with (
        pytest.raises(RecipeError, match="Did you mean 'mirrored'"),
        on_devices(1, "mirored"),
    ):
        pass
    with (
        pytest.raises(RecipeError, match=r"data_parallel cannot .*tensorflow"),
        on_devices(1, "data_parallel"),
    ):
        pass

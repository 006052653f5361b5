import subprocess
import sys

import pytest

from kerakd.errors import RecipeError
from kerakd.training import deterministic

SCRIPT = """
import numpy as np, keras
from kerakd.training import deterministic
values = []
for _ in range(2):
    deterministic(3)
    values.append(np.asarray(keras.layers.Dense(2)(np.ones((1, 2)))))
assert np.array_equal(*values)
from tensorflow.python.framework import config
assert config.is_op_determinism_enabled()
"""


def test_seeds_and_kernels():
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, True])
def test_seeds_that_are_refused(seed):
    with pytest.raises(RecipeError, match="from 0 to"):
        deterministic(seed)

"""That TFMOT leaves TensorFlow and the environment as they were."""

import subprocess
import sys

import pytest

CODE = """
import os
import tensorflow as tf

def state():
    places = (tf, tf.compat.v2, tf.compat.v1)
    dense = [getattr(place, "keras").layers.Dense for place in places]
    return os.environ.get("TF_USE_LEGACY_KERAS"), dense

{before}
import keras, kerakd
from kerakd.compress.bridge import legacy
tfmot = legacy.tfmot()
model = tfmot.quantization.keras.quantize_model(
    legacy.tf_keras().Sequential([legacy.tf_keras().layers.Dense(2, input_shape=(3,))])
)
assert type(model).__module__.startswith("tf_keras")
variable, dense = state()
assert dense[0] is keras.layers.Dense is dense[1], dense
{after}
print("as it was:", variable)
"""


@pytest.mark.parametrize(("value", "used_before"), [(None, False), ("0", True)])
def test_importing_tfmot_changes_nothing_outside(value, used_before):
    import os

    before = "first = state()" if used_before else ""
    after = "assert first == (variable, dense)" if used_before else ""
    environment = {k: v for k, v in os.environ.items() if "LEGACY_KERAS" not in k}
    if value is not None:
        environment["TF_USE_LEGACY_KERAS"] = value
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(before=before, after=after)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == f"as it was: {value}"

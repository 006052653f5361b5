"""kerakd where TensorFlow is not installed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.backends import ROOT, interpreter, run_python

# Makes `import tensorflow` fail as it does where it is not installed.
_ABSENT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras_cv", "keras_hub", "tf_keras"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for split, count in (("Training", 40), ("Testing", 6)):
        for label, level in (("bright", 180), ("dark", 60)):
            for i in range(count):
                pixels = np.clip(rng.normal(level, 30, (24, 24)), 0, 255)
                path = folder / split / label / f"{split}{label}{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(path)
    return folder


def test_tables_pixels_draws_and_metrics_need_none(pictures):
    """All that needs no network, so no backend either."""
    code = (
        _ABSENT
        + """
import numpy as np
import kerakd
from kerakd.data import audit, decode, load_images, resize, split
from kerakd.data.augment import Augmentation, draw
from kerakd.data.augment.numpy_applying import apply
from kerakd.evaluation import classification_metrics

samples = split(load_images(sys.argv[1]), validation=0.2, seed=0)
images = np.stack([resize(decode(p, 3), (16, 16)) for p in samples.paths[:4]])
policy = Augmentation.preset("full")
pixels = apply(policy, draw(policy, 0, 1, samples.ids[:4], samples.ids), images)
assert pixels.shape == (4, 16, 16, 3) and pixels.dtype == np.float32
logits = np.eye(2)[samples.labels] * 5
metrics = classification_metrics(samples.labels, logits, ["a", "b"])
assert metrics["accuracy"] == 1.0
assert "tensorflow" not in sys.modules
print(len(samples))
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(pictures)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "92"


_TRAINS = """
import json, sys
from pathlib import Path
import numpy as np, keras, kerakd
from kerakd.data import load_images, split
samples = split(load_images(sys.argv[1]), validation=0.2, seed=0)
out = Path(sys.argv[2])
def network(width):
    return keras.Sequential([
        keras.Input((16, 16, 1)), keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(width, 3, strides=2, activation="relu"),
        keras.layers.BatchNormalization(momentum=0.5),
        keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
def batches(name, **options):
    found = samples.subset(name)
    return kerakd.data.batches(found, 16, channels=1, batch_size=16, **options)
train = batches("train", shuffle=True, augment="flip_rotation", views=2, seed=1)
teacher, student = network(8), network(4)
kerakd.train_teacher(teacher, train, batches("validation"), epochs=6, out=out,
                     learning_rate=0.02, verbose=0, class_weight="balanced")
cache = kerakd.TeacherCache.build(teacher, train, out / "cache", progress=False)
difference = cache.verify(teacher, train)["max_abs_difference"]
first = kerakd.train_student(student, cache.batches(train), batches("validation"),
    teacher=teacher, epochs=2, out=out, learning_rate=0.02, verbose=0).history
again = kerakd.train_student(student, cache.batches(train), batches("validation"),
    teacher=teacher, epochs=6, out=out, learning_rate=0.02, verbose=0).history
student.save(out / "student.keras")
metrics = kerakd.evaluate(student, batches("test"))
logits, _ = kerakd.evaluation.predict_logits(student, batches("test"))
np.save(out / "logits.npy", logits)
try:
    kerakd.compress.quantize(student, "float32")
except kerakd.KerakdError as error:
    sentence = str(error)
distiller = kerakd.Distiller(teacher, student, kerakd.losses.KLDivergence())
distiller.compile("adam", "sparse_categorical_crossentropy")
distiller.fit(train.dataset(), verbose=0)
distiller.save(out / "distiller.keras")
loaded = kerakd.load(out / "distiller.keras")
loaded.attach_teacher(teacher)
loaded.fit(train.dataset(), verbose=0)
assert int(loaded.steps) == 2 * train.steps_per_epoch
print(json.dumps({"accuracy": metrics["accuracy"], "sentence": sentence,
    "loss": again["loss"], "epochs": len(again["loss"]), "difference": difference,
    "tensorflow": any(name.split(".")[0] == "tensorflow" for name in sys.modules)}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_student_is_trained_without_and_exported_with(pictures, tmp_path, backend):
    python = interpreter(backend)
    printed = run_python(python, "-c", _TRAINS, pictures, tmp_path, backend=backend)
    told = json.loads(printed.splitlines()[-1])
    assert told["accuracy"] > 0.9
    assert told["epochs"] == 6 and told["loss"][-1] < told["loss"][0]
    assert told["difference"] < 1e-5
    assert "Export to LiteRT needs TensorFlow" in told["sentence"]
    if Path(python).parent != Path(sys.executable).parent:
        assert not told["tensorflow"]

    import kerakd

    student = kerakd.load(tmp_path / "student.keras")
    samples = kerakd.data.load_images(pictures).subset("test")
    test = kerakd.data.batches(samples, 16, channels=1, batch_size=16)
    logits, _ = kerakd.evaluation.predict_logits(student, test)
    np.testing.assert_allclose(logits, np.load(tmp_path / "logits.npy"), atol=1e-4)
    path = tmp_path / "student.tflite"
    kerakd.compress.quantize(student, "float32", path=path)
    exported, _ = kerakd.evaluation.predict_logits(
        kerakd.compress.LiteRTModel(path), test
    )
    np.testing.assert_allclose(exported, logits, atol=1e-4)

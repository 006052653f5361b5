"""The examples in docstrings run."""

import keras
import numpy as np
import pytest
from PIL import Image

import kerakd
from kerakd.data.augment import Augmentation, apply, draw
from kerakd.data.phantom import write_phantom_volumes
from tests.docs.pages import ROOT, docstring_blocks
from tests.docs.stage import MAKERS, Stage, prepare

EXAMPLES = docstring_blocks()
# Their calls are held to the real signatures by test_pages.py.
NOT_RUN = {
    "kerakd/compress/aware/cluster.py": "run by tests/compress/aware",
    "kerakd/compress/aware/prune.py": "run by tests/compress/aware",
    "kerakd/compress/aware/quantize_aware.py": "run by tests/compress/aware",
    "kerakd/compress/bridge/convert.py": "DenseNet121 takes a minute to cross",
    "kerakd/compress/calibration.py": "wants 100 images: tests/compress",
    "kerakd/compress/measuring.py": "wants an int8 file, which takes a minute",
    "kerakd/data/audit/clusters.py": "run as docs/audit.md",
    "kerakd/data/augment/slices.py": "run by tests/data/test_augment_slices.py",
    "kerakd/data/pipeline.py": "run as docs/start.md",
    "kerakd/data/sources.py": "downloads from Kaggle",
    "kerakd/data/volumes/batches.py": "run as notebooks/02_brats_segmentation",
    "kerakd/distillation/saving.py": "run as docs/resume.md",
    "kerakd/evaluation/comparing.py": "reads a finished run: tests/report",
    "kerakd/predict_case.py": "reads a finished run: tests/test_predict_case.py",
    "kerakd/report/html.py": "reads a finished run: tests/report",
    "kerakd/run/experiment.py": "is the main job, of an hour",
    "kerakd/training/devices.py": "wants two devices: tests/training/test_devices.py",
    "kerakd/training/fit.py": "ResNet-50 at 224 pixels, 30 epochs",
    "kerakd/training/generations.py": "trains three networks for 20 epochs",
}


def case(stage):
    folder = stage.folder / "brats2023"
    write_phantom_volumes(
        folder, patients=1, naming="brats2023", shape=(24, 24, 16), spacing=8.0
    )
    return kerakd.data.volumes.find_cases(folder)[0]


def predicted(stage):
    read = kerakd.data.volumes.read_case(stage.give("case"), ("flair",), "brats2023")
    return read.classes


MORE = {
    "Augmentation": lambda stage: Augmentation,
    "apply": lambda stage: apply,
    "draw": lambda stage: draw,
    "case": case,
    "predicted": predicted,
    "labels": lambda stage: np.arange(len(stage.give("images"))) % 4,
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docstrings")
    prepare(folder)
    pixels = np.zeros((64, 64), np.uint8)
    (folder / "Training" / "glioma").mkdir(parents=True)
    Image.fromarray(pixels).save(folder / "Training" / "glioma" / "Tr-gl_0010.jpg")
    Image.fromarray(pixels).save(folder / "scan.png")
    for name in ("BraTS2021", "kaggle_3m"):
        write_phantom_volumes(
            folder / name, patients=8, shape=(24, 24, 12), spacing=8.0
        )
    (folder / "experiments").symlink_to(ROOT / "experiments")
    stage = Stage(folder)
    kerakd.compress.quantize(
        stage.give("student"),
        path=folder / "run" / "student_float32.tflite",
        class_names=["glioma", "meningioma", "notumor", "pituitary"],
    )
    return folder


def test_what_is_not_run_is_there():
    assert set(NOT_RUN) <= {block.page for block in EXAMPLES}


@pytest.mark.slow
@pytest.mark.parametrize(
    "block", [b for b in EXAMPLES if b.page not in NOT_RUN], ids=str
)
def test_an_example_runs(block, prepared, monkeypatch, tmp_path):
    monkeypatch.chdir(prepared)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, maker in MORE.items():
        monkeypatch.setitem(MAKERS, name, maker)
    stage = Stage(prepared)
    stage.names |= {"keras": keras, "kerakd": kerakd}
    if "draws" in block.text:
        stage.names["images"] = stage.give("images")[:8]
    stage.run(block.text, str(block))

"""The page for phones says what is true, and its Python snippet runs."""

import re
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerakd.compress import quantize
from kerakd.predict import predict_images
from tests.compress.tiny import pixels, small_classifier

PAGE = Path(__file__).parents[2] / "docs" / "mobile.md"
NAMES = ["glioma", "meningioma", "notumor", "pituitary"]


def snippet(language):
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An int8 file and a picture larger than what it takes."""
    folder = tmp_path_factory.mktemp("phone")
    model = small_classifier()
    export = quantize(
        model,
        "int8",
        pixels(100),
        path=folder / "student_int8.tflite",
        class_names=NAMES,
        backend="converter",
    )
    picture = folder / "scan.png"
    random = np.random.default_rng(2)
    Image.fromarray(random.integers(0, 256, (50, 70, 3), np.uint8)).save(picture)
    return export, picture


def check(said, files):
    export, picture = files
    (expected,) = predict_images(export.path, picture)
    rows = [line.split() for line in said.splitlines()]
    assert [row[0] for row in rows] == list(expected.probabilities)
    for row, probability in zip(rows, expected.probabilities.values(), strict=True):
        assert float(row[1]) == pytest.approx(probability, abs=1e-4)


def test_the_python_snippet_says_what_predict_says(files, tmp_path):
    export, picture = files
    script = tmp_path / "snippet.py"
    script.write_text(snippet("python"))
    command = [sys.executable, str(script), str(export.path), str(picture)]
    check(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout,
        files,
    )


def test_the_contract_is_that_of_the_files(files):
    export, _ = files
    page = PAGE.read_text()
    assert export.inputs["name"].startswith("images") and "`images`" in page
    assert export.outputs["name"] == "logits" and "`logits`" in page
    assert (export.inputs["dtype"], export.outputs["dtype"]) == ("uint8", "int8")
    assert (export.inputs["scale"], export.inputs["zero_point"]) == (1.0, 0)
    for language in ("kotlin", "swift"):
        assert "zeroPoint" in snippet(language) and "exp(" in snippet(language)


@pytest.mark.slow
def test_the_snippet_needs_only_litert_numpy_and_pillow(files, tmp_path):
    export, picture = files
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "ai-edge-litert",
        "numpy",
        "Pillow",
    ]
    subprocess.run(install, check=True)
    listed = [python, "-m", "pip", "list", "--format=freeze"]
    known = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
    assert "tensorflow" not in known and "keras" not in known
    script = tmp_path / "snippet.py"
    script.write_text(snippet("python"))
    command = [python, script, export.path, picture]
    check(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout,
        files,
    )

"""A small finished run, as the files of its folder."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kerakd.data.samples import Samples
from kerakd.evaluation import classification_metrics, write_predictions

NAMES = ["<script>alert(1)</script>", "a|b $x$ & c", "notumor"]


@pytest.fixture
def samples(tmp_path):
    """Twelve made-up pictures in a folder, four of each class."""
    rng = np.random.default_rng(0)
    rows = []
    for k in range(12):
        name = f"{k}.png"
        pixels = rng.integers(0, 256, (16, 12), dtype=np.uint8)
        (tmp_path / "pictures").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "pictures" / name)
        rows.append((name, name, NAMES[k % 3], name, "test", 12, 16, "L"))
    columns = ["id", "path", "label", "group", "split", "width", "height", "mode"]
    table = pd.DataFrame(rows, columns=columns)
    return Samples(table, tmp_path / "pictures", tuple(NAMES))


@pytest.fixture
def run_folder(tmp_path, samples):
    """A run folder with all that a run writes before its report, but no figures."""
    folder = tmp_path / "run <one>"
    folder.mkdir()
    rng = np.random.default_rng(1)
    labels = samples.labels
    logits = {
        model: (rng.normal(size=(12, 3)) + strength * np.eye(3)[labels]).astype("f4")
        for model, strength in (("student", 2), ("baseline", 1), ("teacher", 4))
    }
    models = {
        model: {
            "title": f"Net of the {model}",
            "parameters": 40_000_000 if model == "teacher" else 400_000,
            "megabytes": 1.8,
            "multiply_adds": 8_000_000_000 if model == "teacher" else 20_000_000,
            "ms_per_image": None,
            "test": classification_metrics(labels, values, NAMES),
        }
        for model, values in logits.items()
    }
    counts = {name: 4 for name in NAMES}
    metrics = {
        "kerakd": "0.1.0",
        "name": "tiny <b>run</b>",
        "task": "classification",
        "phantom": False,
        "seed": 7,
        "class_names": NAMES,
        "data": {
            "source": "some/<set>",
            "counts": {"train": counts, "test": counts},
            "notes": {"skipped": {"hidden": 3}, "bad": []},
        },
        "models": models,
        "export": {
            "path": "student_float32.tflite",
            "bytes": 1_663_204,
            "max_abs_difference": 3.8e-6,
            "top1_agreement": 1.0,
            "images": 12,
        },
        "distillation": {"temperature": 4.0},
        "seconds": {"teacher": 3725.0, "student": 61.0},
        "versions": {"keras": "3.15.1"},
        "command": "kerakd run recipe.yaml --data '<data>'",
        "machine": "2 cores",
        "warnings": ["Test pictures <may> be in training."],
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "recipe.yaml").write_text("name: tiny # <i>not bold</i>\n")
    (folder / "student_float32.tflite").write_bytes(b"0" * 1000)
    for model in ("student", "baseline", "teacher"):
        table = pd.DataFrame({"epoch": [0, 1, 2], "loss": [1.0, 0.5, 0.25]})
        table["val_loss"] = [1.1, 0.7, 0.6]
        table["accuracy"] = [0.5, 0.7, 0.9]
        table["val_accuracy"] = [0.4, 0.6, 0.8]
        table.to_csv(folder / f"history_{model}.csv", index=False)
    write_predictions(folder / "predictions.csv", samples.ids, labels, logits, NAMES)
    return folder

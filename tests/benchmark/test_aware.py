"""int8 after training against int8 learned, with and without a teacher."""

import numpy as np
import pytest
from PIL import Image

from kerakd.benchmark import benchmark_aware
from kerakd.data import load_images, split
from kerakd.errors import DataError, RecipeError
from tests.compress.aware import task


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quadrants")
    images, labels = task.quadrants(160)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / f"class{label}").mkdir(exist_ok=True)
        pixels = Image.fromarray(image.astype(np.uint8))
        pixels.save(folder / f"class{label}" / f"{number}.png")
    return split(load_images(folder), seed=0, validation=0.2, test=0.1)


@pytest.mark.slow
def test_all_variants_are_judged_on_the_validation_images(samples):
    student = task.trained()
    told = []
    figures = benchmark_aware(
        student,
        student,
        samples,
        epochs=1,
        limit=100,
        augment=None,
        progress=False,
        tell=lambda one: told.append(len(one["variants"])),
    )
    rows = {row["name"]: row for row in figures["variants"]}
    assert list(rows) == [
        "float32",
        "int8, the converter's own",
        "int8 after training",
        "int8 learned from labels",
        "int8 learned from labels and teacher",
    ]
    assert told == [1, 2, 3, 4, 5]
    assert figures["train_images"] == 100
    assert figures["validation_images"] == len(samples.subset("validation"))
    assert rows["float32"]["divergence"] == pytest.approx(0, abs=1e-6)
    assert rows["float32"]["logit_error"] == rows["float32"]["turned"] == 0
    for row in rows.values():
        assert row["same_class"] > 0.9
        wrong = row["validation_wrong"] / figures["validation_images"]
        assert row["validation_accuracy"] == pytest.approx(1 - wrong)
        if row["name"] != "float32":
            assert row["processor_seconds"] > 0


def test_no_seed_too_few_images_and_no_validation_are_refused(samples):
    with pytest.raises(RecipeError, match="`seeds`"):
        benchmark_aware(task.classifier(), None, samples, seeds=0)
    with pytest.raises(RecipeError, match="`limit`"):
        benchmark_aware(task.classifier(), None, samples, limit=10)
    with pytest.raises(DataError, match="validation images"):
        benchmark_aware(task.classifier(), None, samples.subset("train"))

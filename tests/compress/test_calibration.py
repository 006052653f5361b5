"""The draw is stratified, repeatable and recorded."""

import numpy as np

from kerakd.compress import representative
from kerakd.data import decode, load_images, resize, split
from kerakd.data.pipeline import ImageBatches
from tests.compress.tiny import pixels
from tests.data.image_folders import write_tree

SHAPE = (8, 8, 3)


def test_every_class_has_its_share_and_a_rare_one_all_it_has():
    labels = np.array([0] * 300 + [1] * 150 + [2] * 10)
    images = pixels(460, size=8)
    drawn = representative((images, labels), SHAPE, count=120, seed=5)
    assert drawn.per_class == {"0": 55, "1": 55, "2": 10}
    assert drawn.as_dict() == {
        "count": 120,
        "seed": 5,
        "per_class": {"0": 55, "1": 55, "2": 10},
        "offered": 460,
    }
    again = representative((images, labels), SHAPE, count=120, seed=5)
    np.testing.assert_array_equal(drawn.images, again.images)
    other = representative((images, labels), SHAPE, count=120, seed=6)
    assert not np.array_equal(drawn.images, other.images)
    assert drawn.judged.shape == (64, *SHAPE)


def test_batches_of_any_kind_and_without_end():
    def batches():
        while True:
            x = pixels(50, size=8).astype(np.uint8)
            yield x, np.eye(2)[np.arange(50) % 2]

    drawn = representative(batches(), SHAPE, count=101)
    assert drawn.images.dtype == np.float32 and drawn.offered == 4100
    assert sorted(drawn.per_class.values()) == [50, 51]
    unlabelled = representative([pixels(60, size=8)] * 2, SHAPE)
    assert unlabelled.per_class is None and len(unlabelled.images) == 120


def test_of_a_table_the_training_images_as_training_sees_them(tmp_path):
    folder = write_tree(tmp_path, {"a": 120, "b": 40})
    samples = split(load_images(folder), seed=0, validation=0.2, test=0.1)
    training = samples.subset("train")
    drawn = representative(samples, (8, 8, 1), count=100)
    assert drawn.offered == len(training)
    assert drawn.per_class["b"] == training.counts["train"]["b"]
    assert sum(drawn.per_class.values()) == 100
    known = {resize(decode(path, 1), (8, 8)).tobytes() for path in training.paths}
    for image in drawn.images.astype(np.uint8):
        assert image.tobytes() in known
    # Batches stand for their samples, whatever their augmentation.
    batches = ImageBatches(samples, 8, channels=1, augment="flip", shuffle=True)
    again = representative(batches, (8, 8, 1), count=100)
    np.testing.assert_array_equal(drawn.images, again.images)

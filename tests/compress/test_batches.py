"""Images come out the same, whatever a user has them in."""

import numpy as np
import pytest
import tensorflow as tf

from kerakd.compress.batches import image_batches
from kerakd.errors import DataError
from tests.compress.tiny import pixels


class Batches:
    """What `kerakd.data.ImageBatches` looks like from here."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def dataset(self, epochs=1):
        return tf.data.Dataset.from_tensor_slices((self.x, self.y)).batch(3)


X = pixels(7, size=8)
Y = np.arange(7)
SIDES = {"student": X, "teacher": pixels(7, size=16)}


@pytest.mark.parametrize(
    "data",
    [
        X,
        [X[:4], X[4:]],
        [(X[:4], Y[:4]), (X[4:], Y[4:])],
        iter([X]),
        tf.data.Dataset.from_tensor_slices(X).batch(2),
        tf.data.Dataset.from_tensor_slices((X, Y)).batch(5),
        tf.data.Dataset.from_tensor_slices((SIDES, Y)).batch(5),
        Batches(X, Y),
    ],
)
def test_every_form(data):
    batches = list(image_batches(data, (8, 8, 3)))
    np.testing.assert_array_equal(np.concatenate(batches), X)


def test_large_arrays_come_in_parts():
    sizes = [len(batch) for batch in image_batches(pixels(70, size=8), (8, 8, 3))]
    assert sizes == [32, 32, 6]


@pytest.mark.parametrize("data", [X[:0], [], iter([])])
def test_no_image(data):
    with pytest.raises(DataError, match="no image"):
        list(image_batches(data, (8, 8, 3)))


@pytest.mark.parametrize("data", [X[0], pixels(2, 1, size=8), [None], {"teacher": X}])
def test_another_shape(data):
    with pytest.raises(DataError, match=r"\(batch, 8, 8, 3\); the data gave"):
        list(image_batches([data], (8, 8, 3)))

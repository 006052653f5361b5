from itertools import chain

import numpy as np
import pytest
import tensorflow as tf

from kerakd.errors import DataError
from kerakd.training.feeding import feed
from kerakd.training.options import TrainingOptions

OPTIONS = TrainingOptions(batch_size=4, seed=3)


def numbers(count=10):
    return np.arange(count, dtype=np.float32)[:, None], np.arange(count)


def seen(dataset):
    return [y.tolist() for _, y in dataset.as_numpy_iterator()]


def test_arrays_come_in_another_order_in_each_epoch():
    data = feed(numbers(), OPTIONS)
    assert data.steps_per_epoch == 3
    batches = seen(data.stream(0, 6))
    assert [len(b) for b in batches] == [4, 4, 2, 4, 4, 2]
    first, second = [*chain(*batches[:3])], [*chain(*batches[3:])]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert first != seen(feed(numbers(), OPTIONS.replace(seed=4)).stream(0, 3))


def test_arrays_keep_pictures_labels_and_weights_together():
    x, y = numbers()
    for batch in feed((x, y, y * 2.0), OPTIONS).stream(0, 3).as_numpy_iterator():
        np.testing.assert_array_equal(batch[0][:, 0], batch[1])
        np.testing.assert_array_equal(batch[2], batch[1] * 2)


def test_arrays_without_shuffling_keep_their_order():
    data = feed(numbers(), OPTIONS, shuffle=False)
    assert [*chain(*seen(data.stream(0, 3)))] == list(range(10))


def seeded():
    return tf.data.Dataset.from_tensor_slices(numbers()).shuffle(10, seed=1).batch(4)


@pytest.mark.parametrize("make", [numbers, seeded])
@pytest.mark.parametrize("start", [2, 3, 7])
def test_a_stream_can_be_taken_up_anywhere(make, start):
    whole = seen(feed(make(), OPTIONS).stream(0, 9))
    rest = feed(make(), OPTIONS).stream(start, 9 - start)
    assert int(rest.cardinality()) == 9 - start
    assert seen(rest) == whole[start:]


def test_a_dataset_of_unknown_length_is_counted():
    dataset = tf.data.Dataset.from_tensor_slices(numbers()).filter(
        lambda x, y: y % 2 == 0
    )
    assert feed(dataset.batch(2), OPTIONS).steps_per_epoch == 3


def test_descriptions_tell_data_apart():
    x, y = numbers()
    told = feed((x, y), OPTIONS).description
    assert feed((x, y), OPTIONS).description == told
    assert feed((x, y[::-1]), OPTIONS).description != told
    assert feed((x + 1, y), OPTIONS).description != told


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (lambda: (np.zeros((0, 2)), np.zeros(0)), "the arrays are empty"),
        (lambda: (np.zeros((3, 2)), np.zeros(2)), "equally many; got 2, 3"),
        (lambda: (np.zeros((3, 2)),), "a tuple of 1"),
        (lambda: seeded().take(0), "the dataset is empty"),
        (lambda: seeded().repeat(), "repeats without end"),
        (lambda: seeded().map(lambda x, y: x), "gives a TensorSpec"),
        (lambda: seeded().unbatch(), "dataset.batch(32)"),
        (lambda: "folder", "got a str"),
    ],
)
def test_what_is_refused(data, sentence):
    with pytest.raises(DataError) as error:
        feed(data(), OPTIONS).elements()
    assert sentence in str(error.value)

from itertools import chain

import numpy as np
import pytest
import tensorflow as tf

import kerakd
from kerakd.errors import DataError
from kerakd.training.feeding import feed
from kerakd.training.options import TrainingOptions

from . import killed

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


@pytest.fixture
def pictures(tmp_path):
    killed.write_pictures(tmp_path)
    return kerakd.data.load_images(tmp_path)


def test_image_batches_can_be_taken_up_anywhere(pictures):
    batches = kerakd.data.batches(
        pictures, 8, batch_size=8, shuffle=True, augment={"rotation": 10}
    )
    data = feed(batches, OPTIONS)
    assert (data.steps_per_epoch, data.class_names) == (3, ("a", "b", "c"))
    assert sorted(data.labels) == sorted(np.arange(22) % 3)
    whole = list(data.stream(0, 6).as_numpy_iterator())
    rest = list(data.stream(2, 4).as_numpy_iterator())
    assert len(rest) == 4
    for (x, y), (expected_x, expected_y) in zip(rest, whole[2:], strict=True):
        np.testing.assert_array_equal(x, expected_x)
        np.testing.assert_array_equal(y, expected_y)


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"batch_size": 4}, {"augment": {"rotation": 5}}]
)
def test_descriptions_tell_image_batches_apart(pictures, change):
    told, same, other = (
        feed(kerakd.data.batches(pictures, 8, **options), OPTIONS).description
        for options in ({}, {}, change)
    )
    assert told == same != other


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

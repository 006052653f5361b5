import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config  # the public face can only enable

from kerakd.data import batches
from kerakd.data.augment import Augmentation, apply, draw
from kerakd.data.decode import decode, resize
from kerakd.errors import DataError, RecipeError
from tests.data.pictures import make_samples

SIZE = (20, 16)
MIXED = Augmentation.preset("full", mixup=0.4, cutmix=1.0)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return make_samples(tmp_path_factory.mktemp("images"), count=11)


def listed(dataset):
    return [tf.nest.map_structure(lambda t: t.numpy(), batch) for batch in dataset]


def assert_same(one, other):
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, left, right)


def pixels_of(samples, size=SIZE, channels=3):
    return np.stack([resize(decode(p, channels), size) for p in samples.paths])


def test_evaluation_gives_the_table_in_order(samples):
    data = batches(samples, SIZE, batch_size=4)
    assert data.steps_per_epoch == 3
    found = listed(data.dataset())
    assert [len(y) for _, y in found] == [4, 4, 3]
    x = np.concatenate([x for x, _ in found])
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, pixels_of(samples))
    y = np.concatenate([y for _, y in found])
    assert y.dtype == np.int32
    np.testing.assert_array_equal(y, samples.labels)


def test_static_shapes_and_length(samples):
    dataset = batches(samples, SIZE, batch_size=4, augment="full").dataset(epochs=2)
    assert len(dataset) == 6
    x, y = dataset.element_spec
    assert x.shape.as_list() == [None, 20, 16, 3]
    assert y.shape.as_list() == [None]


def test_shuffling_shows_each_sample_once_in_an_order_of_its_own(samples):
    data = batches(samples, SIZE, batch_size=4, shuffle=True, seed=1)
    found = listed(data.dataset(epochs=3))
    expected = pixels_of(samples)
    for epoch in range(3):
        x = np.concatenate([x for x, _ in found[3 * epoch : 3 * epoch + 3]])
        np.testing.assert_array_equal(x, expected[data.order(epoch)])
        assert sorted(data.order(epoch)) == list(range(11))
    assert (data.order(0) != data.order(1)).any()
    again = batches(samples, SIZE, shuffle=True, seed=1)
    np.testing.assert_array_equal(again.order(2), data.order(2))


def test_a_resumed_dataset_continues_to_the_bit(samples):
    data = batches(samples, SIZE, batch_size=4, shuffle=True, augment=MIXED)
    whole = listed(data.dataset(epochs=4))
    assert len(whole) == 12
    # Within an epoch, at its end, and after the last step.
    for step in (1, 6, 12):
        resumed = data.dataset(epochs=4, start_step=step)
        assert len(resumed) == 12 - step
        assert_same(listed(resumed), whole[step:])


def test_peeking_advances_nothing(samples):
    data = batches(samples, SIZE, batch_size=4, shuffle=True, augment="full")
    dataset = data.dataset(epochs=2)
    first = listed(dataset.take(1))
    assert_same(listed(dataset)[:1], first)
    assert_same(listed(data.dataset(epochs=2))[:1], first)


def test_start_beyond_the_end_is_refused(samples):
    data = batches(samples, SIZE, batch_size=4)
    with pytest.raises(RecipeError, match="start_step must be from 0 to 6"):
        data.dataset(epochs=2, start_step=7)


@pytest.mark.parametrize(
    "policy",
    [MIXED, Augmentation(randaugment={"operations": 2, "magnitude": 0.5})],
    ids=["mixed", "randaugment"],
)
def test_pixels_are_a_function_of_seed_view_and_id(samples, policy):
    """Whatever the batch size, the order, and the order of the table."""
    one = batches(samples, SIZE, batch_size=4, augment=policy)
    expected = dict(
        zip(samples.ids, np.concatenate([x for x, _ in one.at_view(2)]), strict=True)
    )
    turned = samples.take(np.arange(11)[::-1])
    other = batches(turned, SIZE, batch_size=3, shuffle=True, augment=policy)
    found = np.concatenate([x for x, _ in listed(other.dataset(epochs=3))[8:]])
    for name, image in zip(turned.ids[other.order(2)], found, strict=True):
        np.testing.assert_array_equal(image, expected[name])
    next_view = np.concatenate([x for x, _ in one.at_view(3)])
    assert (next_view != np.stack(list(expected.values()))).any(axis=(1, 2, 3)).all()


def test_pixels_are_those_of_draw_and_apply(samples):
    policy = Augmentation.preset("full")
    data = batches(samples, SIZE, augment=policy, seed=4)
    ((x, index),) = listed(data.at_view(6))
    np.testing.assert_array_equal(index, np.arange(11))
    draws = draw(policy, 4, 6, samples.ids)
    np.testing.assert_array_equal(x, apply(policy, draws, pixels_of(samples)))


def test_views_repeat(samples):
    data = batches(samples, SIZE, batch_size=11, augment="full", views=2)
    assert [data.view(epoch) for epoch in range(5)] == [0, 1, 0, 1, 0]
    x = [x for x, _ in listed(data.dataset(epochs=3))]
    np.testing.assert_array_equal(x[0], x[2])
    assert (x[0] != x[1]).any()
    free = batches(samples, SIZE, augment="full")
    assert [free.view(epoch) for epoch in range(3)] == [0, 1, 2]


def test_at_view_without_index_gives_labels(samples):
    data = batches(samples, SIZE, batch_size=4, shuffle=True, augment=MIXED)
    with_index, without = listed(data.at_view(1)), listed(data.at_view(1, False))
    for (x, index), (same, y) in zip(with_index, without, strict=True):
        np.testing.assert_array_equal(x, same)
        assert index.dtype == np.int64
        assert y.shape == (len(index), 3)


def test_labels_of_mixed_images(samples):
    data = batches(samples, SIZE, batch_size=11, augment=Augmentation(mixup=0.4))
    assert data.one_hot
    ((_, y),) = listed(data.at_view(0, with_index=False))
    draws = draw(data.augment, 0, 0, samples.ids, samples.ids)
    partners = np.argsort(samples.ids)[draws["partner"]]
    share = draws["mix_share"][:, None]
    labels = np.eye(3)[samples.labels]
    expected = (1 - share) * labels + share * labels[partners]
    np.testing.assert_allclose(y, expected, atol=1e-6)
    np.testing.assert_allclose(y.sum(axis=1), 1, atol=1e-6)
    with pytest.raises(RecipeError, match="one_hot"):
        batches(samples, SIZE, augment={"mixup": 0.4}, one_hot=False)


def test_one_hot_on_request(samples):
    ((_, y),) = listed(batches(samples, SIZE, one_hot=True).dataset())
    np.testing.assert_array_equal(y, np.eye(3, dtype=np.float32)[samples.labels])


def test_class_weights(samples):
    data = batches(samples, SIZE, class_weight={"b": 2.5, 2: 0.0})
    ((_, y, weight),) = listed(data.dataset())
    assert weight.dtype == np.float32
    np.testing.assert_array_equal(weight, np.array([1, 2.5, 0], np.float32)[y])
    ((_, y, weight),) = listed(
        batches(samples, SIZE, class_weight="balanced").dataset()
    )
    sums = [weight[y == label].sum() for label in range(3)]
    np.testing.assert_allclose(sums, 11 / 3, rtol=1e-6)


def test_class_weights_are_mixed_as_labels_are(samples):
    data = batches(samples, SIZE, augment={"cutmix": 1}, class_weight={"a": 3, "b": 2})
    ((_, y, weight),) = listed(data.dataset())
    np.testing.assert_allclose(weight, y @ [3, 2, 1], rtol=1e-5)


def test_two_sizes_share_one_draw(samples):
    sizes = {"student": (SIZE, 3), "teacher": ((40, 32), 1)}
    data = batches(samples, sizes=sizes, augment="flip", batch_size=11)
    ((x, _),) = listed(data.dataset())
    assert {key: value.shape for key, value in x.items()} == {
        "student": (11, 20, 16, 3),
        "teacher": (11, 40, 32, 1),
    }
    flipped = draw(data.augment, 0, 0, samples.ids)["horizontal_flip"]
    assert 0 < flipped.sum() < 11
    for key, size, channels in ("student", SIZE, 3), ("teacher", (40, 32), 1):
        plain = pixels_of(samples, size, channels)
        expected = np.where(flipped[:, None, None, None], plain[:, :, ::-1], plain)
        np.testing.assert_array_equal(x[key], expected)


def test_grey_at_227(tmp_path):
    samples = make_samples(tmp_path, count=3, size=(30, 30), mode="L")
    data = batches(samples, 227, channels=1, augment=MIXED)
    ((x, _),) = listed(data.dataset())
    assert x.shape == (3, 227, 227, 1)
    assert x.max() > 100


def test_memory_and_disk_give_equal_batches(samples, tmp_path):
    options = {"batch_size": 4, "shuffle": True, "augment": MIXED}
    in_memory = batches(samples, SIZE, **options)
    on_disk = batches(samples, SIZE, **options, memory_budget=0, cache_dir=tmp_path)
    assert_same(listed(in_memory.dataset(2)), listed(on_disk.dataset(2)))
    assert len(list(tmp_path.iterdir())) == 1


def test_op_determinism_gives_the_same_batches(samples):
    data = batches(samples, SIZE, batch_size=4, shuffle=True, augment=MIXED)
    before = listed(data.dataset(2))
    tf.config.experimental.enable_op_determinism()
    try:
        tf.random.set_seed(0)
        assert_same(listed(data.dataset(2)), before)
    finally:
        config.disable_op_determinism()


def test_images_leave_memory_with_their_batches(samples):
    data = batches(samples, SIZE, augment="full")
    listed(data.dataset())
    images, pixels = weakref.ref(data.tensors[""]), weakref.ref(data.arrays[""])
    del data
    gc.collect()
    assert images() is None
    assert pixels() is None


def test_settings_are_there_to_be_read(samples):
    weight = {"a": 2.0}
    data = batches(samples, 16, augment="flip", class_weight=weight, views=3, seed=9)
    assert (data.image_size, data.channels, data.sizes) == (16, 3, None)
    assert (data.views, data.seed, data.class_weight) == (3, 9, weight)
    assert data.class_names == ("a", "b", "c")
    assert data.augment == Augmentation(horizontal_flip=True)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"batch_size": 0}, "batch_size .*from 1 on, not 0"),
        ({"image_size": 0}, "image_size .*not 0"),
        ({"image_size": None}, "image_size .*not None"),
        ({"image_size": (1, 2, 3)}, r"image_size must be \(height, width\)"),
        ({"channels": 4}, "channels must be 1 or 3, not 4"),
        ({"views": 0}, "views .*not 0"),
        ({"seed": None}, "seed .*from 0 on, not None"),
        ({"sizes": {"student": 128}}, r"sizes\['student'\] must be"),
        ({"sizes": 128}, "sizes must be like"),
        ({"class_weight": {"d": 1}}, "no class 'd'.*a, b, c"),
        ({"class_weight": {"a": -1}}, "class_weight of 'a'.*-1"),
        ({"class_weight": {"a": "2"}}, "class_weight of 'a'.*'2'"),
        ({"class_weight": "even"}, "class_weight must be .*'even'"),
        ({"augment": {"rotatoin": 3}}, "'rotation'"),
    ],
)
def test_wrong_options_are_named(samples, options, expected):
    with pytest.raises(RecipeError, match=expected):
        batches(samples, **{"image_size": SIZE, **options})


def test_no_samples(samples):
    with pytest.raises(DataError, match="no samples"):
        batches(samples.subset("test"), SIZE)


def test_fit_takes_a_dataset_over_several_epochs(samples):
    import keras

    data = batches(samples, SIZE, batch_size=4, shuffle=True, augment="flip")
    model = keras.Sequential(
        [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=False)
    model.fit(
        data.dataset(epochs=3),
        epochs=3,
        steps_per_epoch=data.steps_per_epoch,
        verbose=0,
    )
    assert int(model.optimizer.iterations) == 9

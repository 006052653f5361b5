import dataclasses

import keras
import numpy as np
import pytest

import kerakd
from kerakd.compress import representative
from kerakd.data.volumes import SliceBatches, SliceStore
from kerakd.errors import DataError, RecipeError
from tests.data.volumes import made


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    for number in range(4):
        made.write_tif_case(folder, f"TCGA_AB_{number:04d}_19990101")
    volumes = kerakd.data.load_volumes(folder)
    splits = ["train", "train", "train", "validation"]
    samples = volumes.samples.with_splits(splits)
    volumes = dataclasses.replace(volumes, samples=samples)
    return SliceStore.build(volumes, 16, cache_dir=folder / "cache")


def gathered(dataset):
    parts = [(x.numpy(), y.numpy()) for x, y in dataset]
    return tuple(np.concatenate(p) for p in zip(*parts, strict=True))


def test_all_slices_of_a_split_in_order(store):
    batches = SliceBatches(store, "validation", batch_size=4)
    images, masks = gathered(batches.dataset())
    rows = store.rows("validation")
    np.testing.assert_array_equal(images, store.images[rows].astype(np.float32))
    np.testing.assert_array_equal(masks, store.masks[rows])
    assert masks.dtype == np.int32
    assert batches.steps_per_epoch == 3


def test_slices_without_tumour_come_at_their_rate(store):
    batches = SliceBatches(store, "train", shuffle=True, empty_rate=0.5)
    table = batches.samples.table
    tumour = (table["label"] == "tumour").to_numpy()
    assert (tumour.sum(), (~tumour).sum()) == (15, 18)
    seen = []
    for epoch in range(6):
        positions = batches.order(epoch)
        assert len(set(positions)) == len(positions) == 15 + 9
        assert set(np.flatnonzero(tumour)) <= set(positions)
        seen.append(frozenset(positions))
        assert (positions != np.sort(positions)).any()
    assert len(set(seen)) > 3
    assert set.union(*map(set, seen)) == set(range(33))
    assert SliceBatches(store, "train", empty_rate=0).steps_per_epoch == 1


def test_a_training_can_be_taken_up_at_any_step(store):
    options = {"shuffle": True, "augment": "slices", "empty_rate": 0.4}
    batches = SliceBatches(store, "train", batch_size=8, **options)
    whole = [(x.numpy(), y.numpy()) for x, y in batches.dataset(epochs=2)]
    again = SliceBatches(store, "train", batch_size=8, **options)
    start = batches.steps_per_epoch + 1
    rest = [(x.numpy(), y.numpy()) for x, y in again.dataset(2, start_step=start)]
    assert len(rest) == len(whole) - start
    for (x, y), (u, v) in zip(rest, whole[start:], strict=True):
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)


def test_all_slices_of_a_view_are_those_that_its_epochs_show(store):
    batches = SliceBatches(
        store,
        "train",
        batch_size=4,
        shuffle=True,
        augment="slices",
        views=2,
        empty_rate=0.5,
    )
    pictures, places = zip(*batches.at_view(1), strict=True)
    np.testing.assert_array_equal(
        np.concatenate(places), np.arange(len(batches.samples))
    )
    pictures = np.concatenate(pictures)
    start = 3 * batches.steps_per_epoch
    seen = np.concatenate([x for x, _ in batches.dataset(4, start)])
    assert batches.view(3) == 1 and len(seen) < len(pictures)
    np.testing.assert_array_equal(seen, pictures[batches.order(3)])


def test_slices_are_drawn_for_calibration_with_and_without_tumour_alike(store):
    batches = SliceBatches(store, "train", augment="slices", empty_rate=0.2)
    rows = np.array([3, 1])
    np.testing.assert_array_equal(
        batches.slices(rows), store.images[store.rows("train")[rows]]
    )
    count = len(batches.samples)
    with pytest.raises(DataError, match=f"at least 100 images, {count} came"):
        representative(batches, store.images.shape[1:], inputs="values")


def test_bad_options(store):
    with pytest.raises(DataError, match="no slices in the split 'test'"):
        SliceBatches(store, "test")
    with pytest.raises(RecipeError, match="empty_rate must be from 0 to 1"):
        SliceBatches(store, "train", empty_rate=1.5)
    with pytest.raises(RecipeError, match="brightness, mixup are for pictures"):
        SliceBatches(store, "train", augment={"brightness": 0.1, "mixup": 0.2})
    untrue = dataclasses.replace(store, masks=None)
    with pytest.raises(DataError, match="have no mask"):
        SliceBatches(untrue, "train")


def test_a_student_is_distilled_on_slices(store, tmp_path):
    keras.utils.set_random_seed(0)
    small = {"filters": (4, 8), "dropout": 0.0}
    teacher = kerakd.models.build("unet_teacher", 2, (16, 16, 3), **small)
    student = kerakd.models.build("unet_student", 2, (16, 16, 3), **small)
    train = SliceBatches(
        store, "train", batch_size=8, shuffle=True, augment="slices", empty_rate=0.3
    )
    history = kerakd.train_student(
        student,
        train,
        SliceBatches(store, "validation"),
        teacher=teacher,
        distillation_losses=[
            kerakd.losses.PixelwiseKL(temperature=2.0),
            kerakd.losses.ChannelwiseKL(
                teacher_layer_name="decoder_1", student_layer_name="decoder_1"
            ),
        ],
        loss=kerakd.losses.DiceCrossentropy(),
        metrics=[],
        epochs=4,
        learning_rate=0.01,
        verbose=0,
    )
    losses = history.history
    assert losses["student_loss"][-1] < 0.95 * losses["student_loss"][0]
    assert np.isfinite(losses["val_loss"]).all()
    assert {"pixelwise_kl", "channelwise_kl"} <= set(losses)

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerakd
from kerakd.distillation.cache.features import of_losses
from kerakd.losses import AttentionTransfer, Hint, KLDivergence, PixelwiseKL
from tests.distillation.cached import batches, make_student, make_teacher, train
from tests.distillation.tiny import assert_trained_alike, make_model


def teacher_of(seed=1):
    inputs = keras.Input((16, 16, 1))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    body = make_model(8, seed=seed, size=16, name="body")
    return keras.Model(inputs, body(x))


def losses():
    return [
        KLDivergence(2.0),
        Hint("body/pool", "pool"),
        AttentionTransfer("body/relu", "relu"),
    ]


def test_training_from_cached_features_is_training_online(samples, tmp_path):
    teacher, source = teacher_of(), batches(samples)
    cache = kerakd.TeacherCache.build(
        teacher, source, tmp_path / "cache", layers=of_losses(losses())
    )
    assert cache.layers == [(0, "body/pool"), (0, "body/relu")]
    assert cache.feature_shapes == [(8,), (7, 7, 8)]
    online, cached = make_student(), make_student()
    keras.utils.set_random_seed(0)
    train(online, teacher, source, losses=losses())
    keras.utils.set_random_seed(0)
    train(cached, teacher, cache.batches(source), losses=losses())
    assert_trained_alike(online, cached)
    found = cache.verify(teacher, source, count=2)
    assert found["features"] == {"body/pool": 0.0, "body/relu": 0.0}


def test_features_of_a_second_teacher_in_half_the_size(samples, tmp_path):
    teachers, source = [teacher_of(1), teacher_of(2)], batches(samples, views=1)
    layers = [(1, "body/pool")]
    exact, compact = (
        kerakd.TeacherCache.build(
            teachers, source, tmp_path / mode, mode=mode, layers=layers
        )
        for mode in ("exact", "compact")
    )
    rows = np.arange(5)
    (whole,) = exact.read_features(0, rows).values()
    (half,) = compact.read_features(0, rows).values()
    said = teachers[1].get_layer("body")
    assert whole.shape == (5, 8) and said.name == "body"
    np.testing.assert_allclose(whole, half, rtol=1e-3, atol=1e-4)
    loss = Hint("body/pool", "pool", teacher_index=1)
    train(make_student(), teachers, compact.batches(source), 1, [KLDivergence(), loss])


def test_dense_features_are_refused_by_their_size(samples, tmp_path):
    with pytest.raises(kerakd.KerakdError) as error:
        kerakd.TeacherCache.build(
            teacher_of(), batches(samples), tmp_path / "cache",
            layers=["body/relu"], feature_limit=50_000,
        )  # fmt: skip
    # 27 samples, 2 views, 7 x 7 x 8 numbers of 4 bytes.
    assert "7 x 7 x 8 numbers" in str(error.value)
    assert "54 pictures take 0.00 GB" in str(error.value)
    assert not (tmp_path / "cache").exists()
    with pytest.raises(kerakd.KerakdError, match="body/rely"):
        kerakd.TeacherCache.build(
            teacher_of(), batches(samples), tmp_path / "b", layers=["body/rely"]
        )
    with pytest.raises(kerakd.KerakdError, match="from 0 to 0"):
        kerakd.TeacherCache.build(
            teacher_of(), batches(samples), tmp_path / "b", layers=[(1, "body/pool")]
        )


def test_a_cache_without_the_layer_is_told_apart(samples, tmp_path):
    teacher, source = teacher_of(), batches(samples)
    cache = kerakd.TeacherCache.build(
        teacher, source, tmp_path / "cache", layers=["body/pool"]
    )
    with pytest.raises(kerakd.KerakdError, match="the layers body/pool, and a loss"):
        train(
            make_student(), teacher, cache.batches(source), 1,
            AttentionTransfer("body/relu", "relu"),
        )  # fmt: skip
    with pytest.raises(kerakd.KerakdError, match="other layers"):
        kerakd.TeacherCache.build(teacher, source, tmp_path / "cache")


def test_a_cache_of_a_bfloat16_teacher_says_so(samples, tmp_path):
    teacher, source = make_teacher(), batches(samples, views=1)
    exact = kerakd.TeacherCache.build(teacher, source, tmp_path / "exact")
    fast = kerakd.TeacherCache.build(
        teacher, source, tmp_path / "fast", teacher_dtype="bfloat16"
    )
    rows = np.arange(len(samples))
    difference = np.abs(exact.read(0, rows) - fast.read(0, rows)).max()
    assert 0 < difference < 0.05
    assert fast.verify(teacher, source)["max_abs_difference"] == 0.0
    with pytest.raises(kerakd.KerakdError, match="another dtype"):
        kerakd.TeacherCache.build(teacher, source, tmp_path / "fast")


class Masked:
    """Slices with a mask for each: what the cache asks of a source of batches."""

    augment, seed, views, batch_size, steps_per_epoch = None, 0, 1, 4, 2

    def __init__(self):
        self.samples = type("Samples", (), {"ids": [f"{i}" for i in range(8)]})()
        type(self.samples).__len__ = lambda _: 8
        self.x = np.random.default_rng(0).normal(size=(8, 6, 6, 1)).astype("float32")

    def at_view(self, view):
        return tf.data.Dataset.from_tensor_slices((self.x, np.arange(8))).batch(4)

    def order(self, epoch):
        return np.arange(8)[:: 1 if epoch % 2 == 0 else -1].copy()

    def view(self, epoch):
        return 0

    def dataset(self, epochs=1, start_step=0):
        rows = np.concatenate([self.order(epoch) for epoch in range(epochs)])
        masks = (self.x[rows, ..., 0] > 0).astype("int32")
        found = tf.data.Dataset.from_tensor_slices((self.x[rows], masks)).batch(4)
        return found.skip(start_step)


@pytest.mark.parametrize("classes", [1, 2])
def test_of_a_binary_segmentation_one_value_a_pixel_is_kept(tmp_path, classes):
    keras.utils.set_random_seed(0)
    teacher, student = (
        keras.Sequential(
            [keras.Input((6, 6, 1)), keras.layers.Conv2D(classes, 3, padding="same")]
        )
        for _ in range(2)
    )
    source = Masked()
    cache = kerakd.TeacherCache.build(
        teacher, source, tmp_path / "cache", mode="compact"
    )
    described = cache.describe()
    assert described["bytes_a_picture"] == 6 * 6 * 2
    bound = described["largest_coding_error"]
    said = np.array(teacher(source.x))
    kept = cache.read(0, np.arange(8))[:, 0]
    if classes == 2:
        said, kept = said - said[..., 1:], kept - kept[..., 1:]
    assert 0 < np.abs(said - kept).max() <= bound < 2e-3
    distiller = kerakd.Distiller(teacher, student, PixelwiseKL(2.0))
    distiller.compile("adam", kerakd.losses.DiceCrossentropy())
    history = distiller.fit(
        cache.batches(source).dataset(epochs=3), epochs=3, steps_per_epoch=2,
        shuffle=False, verbose=0,
    ).history  # fmt: skip
    assert history["distillation_loss"][-1] < history["distillation_loss"][0]


def test_a_read_only_cache_can_be_read(samples, tmp_path, monkeypatch):
    cache = kerakd.TeacherCache.build(make_teacher(), batches(samples), tmp_path / "c")
    monkeypatch.setattr("os.access", lambda *_: False)
    opened = kerakd.TeacherCache.open(cache.path)
    rows = np.arange(3)
    np.testing.assert_array_equal(opened.read(1, rows), cache.read(1, rows))
    with pytest.raises(ValueError, match="read-only"):
        opened._store.arrays["logits"][0, 0] = 1.0

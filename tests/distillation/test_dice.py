import json

import keras
import numpy as np
import pytest

from kerakd import losses

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(3, 5, 4, 3)).astype("float32")
LABELS = RNG.integers(0, 3, (3, 5, 4))


def reference(labels, logits, background):
    """Written down anew: one sample and class at a time, in float64."""
    wide = logits.astype("float64")
    share = np.exp(wide) / np.exp(wide).sum(-1, keepdims=True)
    each = []
    for p, y in zip(share, labels, strict=True):
        found = [
            (2 * p[..., c][y == c].sum() + 1e-5)
            / (p[..., c].sum() + (y == c).sum() + 1e-5)
            for c in range(0 if background else 1, 3)
        ]
        each.append(1 - np.mean(found))
    crossentropy = -np.log(np.take_along_axis(share, labels[..., None], -1)).mean()
    return np.mean(each), crossentropy


@pytest.mark.parametrize("background", [False, True])
def test_agrees_with_its_formula(background):
    part, crossentropy = reference(LABELS, LOGITS, background)
    found = float(losses.dice(LABELS, LOGITS, background))
    assert found == pytest.approx(part, rel=1e-6)
    both = losses.dice_crossentropy(LABELS, LOGITS, 2.0, 0.5, background)
    assert float(both) == pytest.approx(2 * part + crossentropy / 2, rel=1e-6)
    one_hot = np.eye(3, dtype="float32")[LABELS]
    for labels in (LABELS[..., None], one_hot):
        assert float(losses.dice(labels, LOGITS, background)) == found


@pytest.mark.parametrize("background", [False, True])
def test_a_batch_is_one_large_sample(background):
    side_by_side = np.concatenate(list(LOGITS))[None]
    labels = np.concatenate(list(LABELS))[None]
    found = losses.dice_crossentropy(
        LABELS, LOGITS, 2.0, 0.5, background=background, batch=True
    )
    assert float(found) == pytest.approx(
        float(losses.dice_crossentropy(labels, side_by_side, 2.0, 0.5, background)),
        rel=1e-6,
    )


def test_only_a_batch_minds_how_many_false_alarms():
    labels = np.zeros((2, 4, 4), int)
    labels[0, :2] = 1
    right = np.zeros((2, 4, 4, 2), "float32")
    right[..., 1] = np.where(labels, 30.0, -30.0)
    few, many = right.copy(), right.copy()
    few[1, 0, :1, 1] = 30.0
    many[1, :, :, 1] = 30.0
    alone = [float(losses.dice(labels, one)) for one in (few, many)]
    together = [float(losses.dice(labels, one, batch=True)) for one in (few, many)]
    assert alone == pytest.approx([0.5, 0.5], abs=1e-4)
    assert together == pytest.approx([1 / 17, 1 - 16 / 32], abs=1e-4)


def test_one_logit_is_a_sigmoids():
    labels = LABELS > 1
    single = LOGITS[..., :1]
    pair = np.concatenate([np.zeros_like(single), single], -1)
    for given in (labels, labels[..., None].astype("float32")):
        np.testing.assert_allclose(
            losses.dice_crossentropy(given, single),
            losses.dice_crossentropy(labels.astype(int), pair),
            rtol=1e-6,
        )


def test_nothing_to_find_and_nothing_found_loses_nothing():
    labels = np.zeros((1, 4, 4), int)
    sure = np.zeros((1, 4, 4, 2), "float32")
    sure[..., 0] = 60.0
    assert float(losses.dice(labels, sure)) == pytest.approx(0.0, abs=1e-6)
    assert float(losses.dice(labels, -sure)) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_extreme_logits_and_weights(dtype):
    loss = losses.DiceCrossentropy()
    extreme = RNG.choice([-200, 200], LOGITS.shape).astype(dtype)
    assert np.isfinite(float(loss(LABELS, extreme)))
    changed = LOGITS.copy()
    changed[1] = 7.0
    weights = np.array([1.0, 0.0, 2.0])
    assert float(loss(LABELS, LOGITS, weights)) == float(loss(LABELS, changed, weights))


def test_round_trip_and_training():
    loss = losses.DiceCrossentropy(0.5, 2.0, background=True, batch=True)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    copy = keras.saving.deserialize_keras_object(config)
    assert float(copy(LABELS, LOGITS)) == float(loss(LABELS, LOGITS))
    with pytest.raises(ValueError, match="dice_weight"):
        losses.DiceCrossentropy(-1.0)
    model = keras.Sequential([keras.Input((5, 4, 3)), keras.layers.Conv2D(3, 1)])
    model.compile(keras.optimizers.Adam(0.1), copy)
    labels = LOGITS.argmax(-1)
    history = model.fit(LOGITS, labels, epochs=15, verbose=0).history["loss"]
    assert history[-1] < 0.7 * history[0]

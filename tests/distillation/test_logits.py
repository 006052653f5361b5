import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerakd
from kerakd.distillation.logits import kl_divergence_per_sample
from kerakd.losses import KLDivergence, kl_divergence


def logits(seed, shape=(6, 4), scale=3.0, dtype="float32"):
    return np.random.default_rng(seed).normal(scale=scale, size=shape).astype(dtype)


def by_hand(teacher, student, temperature):
    """KL in float64 from the definition, with no trick for stability."""
    t, s = np.float64(teacher) / temperature, np.float64(student) / temperature
    p = np.exp(t) / np.exp(t).sum(-1, keepdims=True)
    q = np.exp(s) / np.exp(s).sum(-1, keepdims=True)
    return temperature**2 * (p * np.log(p / q)).sum(-1).mean()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0, 20.0])
def test_kl_is_the_definition(temperature):
    teacher, student = logits(0), logits(1)
    value = float(kl_divergence(teacher, student, temperature))
    assert value == pytest.approx(by_hand(teacher, student, temperature), rel=1e-5)


def test_kl_agrees_with_reference_values(real_data):
    golden = json.loads((real_data.parent / "golden" / "kd_losses.json").read_text())
    teacher = np.float32(golden["teacher_logits"])
    student = np.float32(golden["student_logits"])
    expected = golden["values"]
    for key, options in {
        "kl_T4": {"temperature": 4.0},
        "kl_T1": {"temperature": 1.0},
        "kl_standardized_T2": {"temperature": 2.0, "standardize": True},
    }.items():
        np.testing.assert_allclose(
            float(kl_divergence(teacher, student, **options)),
            expected[key],
            rtol=1e-5,
            atol=1e-6,
        )


@pytest.mark.parametrize("standardize", [False, True])
def test_value_and_gradient_are_zero_at_equality(standardize):
    z = tf.Variable(logits(0))
    with tf.GradientTape() as tape:
        value = kl_divergence(z.value(), z, standardize=standardize)
    assert float(value) == 0.0
    np.testing.assert_allclose(tape.gradient(value, z), 0.0, atol=1e-6)


def test_a_constant_added_to_the_logits_changes_nothing():
    teacher, student = logits(0), logits(1)
    value = float(kl_divergence(teacher, student))
    shifted = float(kl_divergence(teacher + 7.0, student - 3.0))
    assert shifted == pytest.approx(value, rel=1e-5)


def test_scale_matters_only_without_standardization():
    teacher, student = logits(0), logits(1)
    for standardize in (False, True):
        value = float(kl_divergence(teacher, student, standardize=standardize))
        scaled = float(kl_divergence(teacher, student * 5, standardize=standardize))
        assert (abs(scaled - value) < 1e-4 * value) == standardize


def test_no_gradient_reaches_the_teacher():
    teacher, student = tf.Variable(logits(0)), tf.Variable(logits(1))
    with tf.GradientTape() as tape:
        value = kl_divergence(teacher, student)
    to_teacher, to_student = tape.gradient(value, [teacher, student])
    assert to_teacher is None
    assert np.abs(to_student).max() > 0


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("standardize", [False, True])
def test_extreme_logits_stay_finite(dtype, standardize):
    extremes = np.array([[200, -200], [-200, 200], [200, 200], [0, 0]], dtype)
    student = tf.Variable(extremes[::-1].copy())
    with tf.GradientTape() as tape:
        value = kl_divergence(extremes, student, 1.0, standardize)
    assert np.isfinite(float(value))
    assert np.isfinite(tape.gradient(value, student)).all()


def test_one_logit_is_that_of_a_sigmoid():
    teacher, student = logits(0, (5, 1)), logits(1, (5, 1))

    def as_two(z):
        return np.concatenate([np.zeros_like(z), z], -1)

    expected = by_hand(as_two(teacher), as_two(student), 2.0)
    assert float(kl_divergence(teacher, student, 2.0)) == pytest.approx(expected)


def test_dense_logits_are_averaged_over_places():
    teacher, student = logits(0, (2, 3, 3, 4)), logits(1, (2, 3, 3, 4))
    values = np.array(kl_divergence_per_sample(teacher, student, 2.0))
    assert values.shape == (2, 3, 3)
    per_sample = KLDivergence(2.0, reduction="none")(teacher, student)
    np.testing.assert_allclose(per_sample, values.mean((1, 2)), rtol=1e-6)


def test_sample_weights_are_reduced_as_keras_does():
    teacher, student = logits(0), logits(1)
    weight = np.array([0, 1, 2, 0, 1, 0.5], "float32")
    loss = KLDivergence(2.0)
    each = np.array(KLDivergence(2.0, reduction="none")(teacher, student))
    value = float(loss(teacher, student, sample_weight=weight))
    assert value == pytest.approx((weight * each).sum() / len(weight), rel=1e-6)


def test_kd_loss_mixes_labels_and_teacher():
    teacher, student = logits(0), logits(1)
    y = np.array([0, 1, 2, 3, 0, 1])
    hard = float(
        keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, student)
    )
    soft = by_hand(teacher, student, 3.0)
    value = float(kerakd.kd_loss(y, teacher, student, temperature=3.0, alpha=0.3))
    assert value == pytest.approx(0.3 * hard + 0.7 * soft, rel=1e-5)
    one_hot = np.eye(4, dtype="float32")[y]
    assert float(kerakd.kd_loss(one_hot, teacher, student, 3.0, 0.3)) == pytest.approx(
        value
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"alpha": 1.2}, "alpha"),
        ({"alpha": -0.1}, "alpha"),
    ],
)
def test_what_is_out_of_range_is_refused(options, message):
    with pytest.raises(kerakd.KerakdError, match=message):
        kerakd.kd_loss(np.array([0]), np.zeros((1, 2)), np.zeros((1, 2)), **options)


def test_class_counts_that_differ_are_refused():
    with pytest.raises(kerakd.KerakdError, match="5 classes and the student 4"):
        kerakd.kd_loss(np.array([0]), np.zeros((1, 5)), np.zeros((1, 4)))


def test_a_scheduled_temperature_is_read_at_the_current_step():
    from kerakd.distillation.schedules import at_step

    schedule = keras.optimizers.schedules.PolynomialDecay(8.0, 100, 2.0)
    loss = KLDivergence(schedule)
    teacher, student = logits(0), logits(1)
    for step, temperature in ((0, 8.0), (50, 5.0), (100, 2.0)):
        with at_step(step):
            value = float(loss(teacher, student))
        assert value == pytest.approx(by_hand(teacher, student, temperature), rel=1e-4)


@pytest.mark.parametrize(
    "loss",
    [
        KLDivergence(3.0, standardize=True, output="a", name="soft"),
        KLDivergence(keras.optimizers.schedules.CosineDecay(4.0, 10)),
        kerakd.losses.Hint("a/b", "c", teacher_index=1),
    ],
)
def test_configuration_round_trip(loss):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is type(loss)
    assert keras.saving.serialize_keras_object(copy) == config


def test_losses_come_by_name_and_unknown_names_are_told():
    loss = kerakd.losses.get({"name": "kl_divergence", "temperature": 2.0})
    assert isinstance(loss, KLDivergence)
    assert loss.temperature == 2.0
    with pytest.raises(kerakd.KerakdError, match="Did you mean 'kl_divergence'"):
        kerakd.losses.get("kl_divergance")
    with pytest.raises(kerakd.KerakdError, match="temprature"):
        kerakd.losses.get({"name": "kl_divergence", "temprature": 2.0})

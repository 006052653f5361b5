"""What every distillation loss has to hold; a new loss is one line in `CASES`."""

import json
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerakd import losses
from kerakd.distillation.labelled import dkd_parts
from kerakd.distillation.registry import LOSSES


@dataclass(frozen=True)
class Case:
    """A loss, the shape of what it compares, and which laws are its own."""

    loss: keras.losses.Loss
    shape: tuple = (6, 4)
    zero_at_equality: bool = True
    shift_invariant: bool = True


MAP = (3, 4, 5, 2)
CASES = {
    "kl_divergence": Case(losses.KLDivergence(2.0)),
    "dkd": Case(losses.DKD(1.0, 4.0, 2.0)),
    "nkd": Case(losses.NKD(1.5, 2.0), zero_at_equality=False),
    "dist": Case(losses.DIST(1.0, 2.0, 2.0)),
    "ofa": Case(losses.OFA(1.2, 2.0), zero_at_equality=False),
    "hard_label": Case(losses.HardLabel(), zero_at_equality=False),
    "pixelwise_kl": Case(losses.PixelwiseKL(2.0), MAP),
    "channelwise_kl": Case(losses.ChannelwiseKL(2.0), MAP),
    "hint": Case(losses.Hint(), MAP, shift_invariant=False),
    "attention_transfer": Case(losses.AttentionTransfer(), MAP, shift_invariant=False),
    "similarity_preserving": Case(
        losses.SimilarityPreserving(), (6, 5), shift_invariant=False
    ),
    # Of embeddings: distances do not change when all of them are shifted alike.
    "rkd": Case(losses.RKD(), (6, 5)),
}


def test_every_registered_loss_is_held_to_the_contract():
    assert set(CASES) == set(LOSSES)


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return CASES[request.param]


def values(shape, seed, scale=2.0, dtype="float32"):
    rng = np.random.default_rng(seed)
    return rng.normal(scale=scale, size=shape).astype(dtype)


def target(case, teacher, labels=None):
    """What a Distiller hands to the loss as its first argument."""
    if not case.loss.uses_labels:
        return teacher
    if labels is None:
        labels = np.arange(case.shape[0]) % case.shape[-1]
    return {"labels": labels, "teacher": teacher}


def value_and_gradient(case, teacher, student, weight=None, jit_compile=False):
    @tf.function(jit_compile=jit_compile)
    def run(teacher, student):
        with tf.GradientTape() as tape:
            tape.watch(student)
            value = case.loss(target(case, teacher), student, sample_weight=weight)
        return value, tape.gradient(value, student)

    value, gradient = run(tf.constant(teacher), tf.constant(student))
    return float(value), np.array(gradient, "float64")


def test_configuration_round_trip(case):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(case.loss)))
    copy = keras.saving.deserialize_keras_object(config)
    assert keras.saving.serialize_keras_object(copy) == config
    teacher, student = values(case.shape, 0), values(case.shape, 1)
    arguments = target(case, teacher), student
    assert float(copy(*arguments)) == float(case.loss(*arguments))


def test_gradient_is_that_of_the_value(case):
    teacher, student = values(case.shape, 0), values(case.shape, 1)
    _, gradient = value_and_gradient(case, teacher, student)
    direction = values(case.shape, 2, 1.0)
    step = 1e-3
    ends = [
        value_and_gradient(case, teacher, student + sign * step * direction)[0]
        for sign in (1, -1)
    ]
    slope = (ends[0] - ends[1]) / (2 * step)
    assert slope == pytest.approx((gradient * direction).sum(), rel=0.02, abs=2e-3)


def test_zero_at_equality(case):
    teacher = values(case.shape, 0)
    value, gradient = value_and_gradient(case, teacher, teacher)
    other, _ = value_and_gradient(case, teacher, values(case.shape, 1))
    if case.zero_at_equality:
        assert value == pytest.approx(0.0, abs=1e-6)
        np.testing.assert_allclose(gradient, 0.0, atol=1e-5)
    assert other > max(value, 1e-4) or not case.zero_at_equality


def test_shift_invariance(case):
    teacher, student = values(case.shape, 0), values(case.shape, 1)
    value, _ = value_and_gradient(case, teacher, student)
    shifted, _ = value_and_gradient(case, teacher + 3.0, student - 5.0)
    assert (shifted == pytest.approx(value, rel=1e-4)) == case.shift_invariant


def test_no_gradient_reaches_the_teacher(case):
    teacher = tf.Variable(values(case.shape, 0))
    student = tf.Variable(values(case.shape, 1))
    with tf.GradientTape() as tape:
        value = case.loss(target(case, teacher), student)
    to_teacher, to_student = tape.gradient(value, [teacher, student])
    assert to_teacher is None or not np.any(to_teacher)
    assert np.abs(to_student).max() > 0


def test_one_value_a_sample_and_their_mean(case):
    config = keras.saving.serialize_keras_object(case.loss)
    config["config"]["reduction"] = "none"
    each = keras.saving.deserialize_keras_object(config)
    teacher, student = values(case.shape, 0), values(case.shape, 1)
    rows = np.array(each(target(case, teacher), student))
    assert rows.shape == case.shape[:1]
    whole = float(case.loss(target(case, teacher), student))
    assert rows.mean() == pytest.approx(whole, rel=1e-6)


def test_a_sample_of_weight_zero_is_in_no_gradient(case):
    teacher, student = values(case.shape, 0), values(case.shape, 1)
    weight = np.array([1.0, 0.0, *[2.0] * (case.shape[0] - 2)], "float32")
    value, gradient = value_and_gradient(case, teacher, student, weight)
    teacher[1], student[1] = 9.0, values(case.shape[1:], 7)
    other, other_gradient = value_and_gradient(case, teacher, student, weight)
    assert other == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(other_gradient, gradient, rtol=1e-4, atol=1e-6)
    assert not gradient[1].any()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_extreme_values_stay_finite(case, dtype):
    rng = np.random.default_rng(0)
    for teacher, student in (
        (rng.choice([-200, 200], case.shape), rng.choice([-200, 200], case.shape)),
        (np.full(case.shape, 200), np.full(case.shape, -200)),
        (np.zeros(case.shape), np.zeros(case.shape)),
    ):
        value, gradient = value_and_gradient(
            case, teacher.astype(dtype), student.astype(dtype)
        )
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


def test_half_precision_is_computed_in_single(case):
    teacher = values(case.shape, 0, dtype="float16")
    student = values(case.shape, 1, dtype="float16")
    half, _ = value_and_gradient(case, teacher, student)
    single, _ = value_and_gradient(
        case, teacher.astype("float32"), student.astype("float32")
    )
    assert half == pytest.approx(single, rel=1e-6)


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_single_precision_has_the_digits_of_double(case, scale):
    """Also where the two are close, and terms of the sum nearly cancel."""
    teacher = values(case.shape, 0, scale)
    student = teacher + values(case.shape, 1, 0.2 * scale)
    single = float(case.loss(target(case, teacher), student))
    config = keras.saving.serialize_keras_object(case.loss)
    config["config"]["dtype"] = "float64"
    if "temperature" in config["config"]:
        config["config"]["temperature"] = 20.0
        loss = keras.saving.deserialize_keras_object(
            config | {"config": config["config"] | {"dtype": "float32"}}
        )
        single = float(loss(target(case, teacher), student))
    double = keras.saving.deserialize_keras_object(config)
    wide = teacher.astype("float64"), student.astype("float64")
    expected = float(double(target(case, wide[0]), wide[1]))
    assert single == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_works_in_a_graph_that_does_not_know_the_size_of_a_batch(case):
    teacher, student = values(case.shape, 1), values(case.shape, 2)
    expected = float(case.loss(target(case, teacher), tf.constant(student)))

    def loss(y_true, y_pred):
        return case.loss(y_true, y_pred)

    said = tf.nest.map_structure(tf.convert_to_tensor, target(case, teacher))

    def open_batch(x):
        return tf.TensorSpec((None, *x.shape[1:]), x.dtype)

    compiled = tf.function(loss).get_concrete_function(
        tf.nest.map_structure(open_batch, said),
        tf.TensorSpec((None, *case.shape[1:]), tf.float32),
    )
    found = compiled(*tf.nest.flatten(said), tf.constant(student))
    np.testing.assert_allclose(float(found), expected, rtol=1e-5, atol=1e-6)


def test_works_inside_xla(case):
    teacher, student = values(case.shape, 0), values(case.shape, 1)
    value, gradient = value_and_gradient(case, teacher, student)
    compiled, other = value_and_gradient(case, teacher, student, jit_compile=True)
    assert compiled == pytest.approx(value, rel=1e-4)
    np.testing.assert_allclose(other, gradient, rtol=1e-3, atol=1e-5)


# Golden values ---------------------------------------------------------------------

GOLDEN = {
    "dkd_a1_b8_T4": lambda g: losses.dkd(g.y, g.t, g.s, 1.0, 8.0, 4.0),
    "nkd_g1.5_T1": lambda g: losses.nkd(g.y, g.t, g.s),
    "dist_b1_g1_T1": lambda g: losses.dist(g.t, g.s),
    "dist_b1_g1_T4": lambda g: losses.dist(g.t, g.s, temperature=4.0),
    "ofa_eps1.5_T1": lambda g: losses.ofa(g.y, g.t, g.s),
    "hard_label_ce": lambda g: losses.hard_label(g.t, g.s),
    "channelwise_T1": lambda g: losses.channelwise_kl(g.tm, g.sm, 1.0),
    "channelwise_T4": lambda g: losses.channelwise_kl(g.tm, g.sm),
    "pixelwise_kl_T1": lambda g: losses.pixelwise_kl(g.tm, g.sm),
    "attention_transfer_p2": lambda g: losses.attention_transfer(g.tm, g.sm),
    "similarity_preserving": lambda g: losses.similarity_preserving(g.tm, g.sm),
    "rkd_d25_a50": lambda g: losses.rkd(g.t, g.s),
    "rkd_distance_only": lambda g: losses.rkd(g.t, g.s, angle_weight=0.0),
    "rkd_angle_only": lambda g: losses.rkd(g.t, g.s, distance_weight=0.0),
    "dkd_target_part_T4": lambda g: np.mean(dkd_parts(g.y, g.t, g.s)[0]),
    "dkd_nontarget_part_T4": lambda g: np.mean(dkd_parts(g.y, g.t, g.s)[1]),
}


@pytest.fixture(scope="module")
def golden(real_data):
    class Golden:
        pass

    content = json.loads((real_data.parent / "golden" / "kd_losses.json").read_text())
    found = Golden()
    found.values = content["values"]
    found.y = np.array(content["labels"])
    for name, key in {
        "t": "teacher_logits",
        "s": "student_logits",
        "tm": "teacher_map_nhwc",
        "sm": "student_map_nhwc",
    }.items():
        setattr(found, name, np.float32(content[key]))
    return found


@pytest.mark.parametrize("key", GOLDEN)
def test_agrees_with_reference_values(golden, key):
    np.testing.assert_allclose(
        float(GOLDEN[key](golden)), golden.values[key], rtol=1e-5, atol=1e-6
    )


# Laws of single losses -------------------------------------------------------------


def test_with_two_classes_dkd_is_kl():
    teacher, student = values((5, 2), 0), values((5, 2), 1)
    labels = np.array([0, 1, 1, 0, 1])
    first, second = dkd_parts(labels, teacher, student, 3.0)
    np.testing.assert_array_equal(second, 0.0)
    assert float(losses.dkd(labels, teacher, student, 1.0, 8.0, 3.0)) == pytest.approx(
        float(losses.kl_divergence(teacher, student, 3.0)), rel=1e-5
    )
    assert np.all(np.array(first) > 0)


def test_dkd_splits_kl():
    """KL = target part + (1 - teacher's share of the target) * non-target part."""
    teacher, student = values((6, 4), 0), values((6, 4), 1)
    labels = np.arange(6) % 4
    first, second = (np.array(p) for p in dkd_parts(labels, teacher, student, 2.0))
    share = np.array(keras.ops.softmax(teacher / 2.0))[np.arange(6), labels]
    whole = float(losses.kl_divergence(teacher, student, 2.0))
    assert (first + (1 - share) * second).mean() == pytest.approx(whole, rel=1e-5)


def test_labels_may_be_one_hot():
    teacher, student = values((6, 4), 0), values((6, 4), 1)
    labels = np.arange(6) % 4
    one_hot = np.eye(4, dtype="float32")[labels]
    for function in (losses.dkd, losses.nkd, losses.ofa):
        assert float(function(labels, teacher, student)) == float(
            function(one_hot, teacher, student)
        )


def test_dist_sees_no_positive_linear_change():
    """Of probabilities; the temperature softens before."""
    teacher = np.log(np.random.default_rng(0).dirichlet(np.ones(4), 6)).astype("f4")
    mixed = np.log(0.5 * np.exp(teacher) + 0.5 / 4)
    assert float(losses.dist(teacher, mixed)) == pytest.approx(0.0, abs=1e-5)


def test_relations_are_free_of_scale_and_rotation():
    teacher = values((6, 5), 0)
    rotation, _ = np.linalg.qr(values((5, 5), 3))
    student = (3.0 * teacher @ rotation).astype("float32")
    for function in (losses.rkd, losses.similarity_preserving):
        assert float(function(teacher, student)) == pytest.approx(0.0, abs=1e-4)


def test_attention_transfer_sees_places_not_channels():
    teacher = values((2, 4, 4, 3), 0)
    student = np.concatenate([teacher, teacher], axis=-1) * 7.0
    assert float(losses.attention_transfer(teacher, student)) == pytest.approx(
        0.0, abs=1e-10
    )

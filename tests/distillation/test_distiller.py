import keras
import numpy as np
import pytest
import tensorflow as tf

import kerakd
from kerakd.losses import Hint, KLDivergence
from tests.distillation.tiny import (
    assert_same_weights,
    crossentropy,
    make_data,
    make_model,
    weights_of,
)


def distil(teacher, student, losses=None, fit=None, compile=None, **options):
    distiller = kerakd.Distiller(teacher, student, losses or KLDivergence(), **options)
    distiller.compile(
        **{
            "optimizer": keras.optimizers.Adam(1e-2),
            "loss": crossentropy(),
            "metrics": ["accuracy"],
            **(compile or {}),
        }
    )
    x, y = make_data()
    history = distiller.fit(
        **{
            "x": x,
            "y": y,
            "batch_size": 8,
            "epochs": 1,
            "shuffle": False,
            "verbose": 0,
            **(fit or {}),
        }
    )
    return distiller, history.history


def test_the_teacher_is_left_as_it_was(teacher, student):
    teacher.get_layer("conv").trainable = False
    weights = weights_of(teacher)
    flags = [layer.trainable for layer in teacher.layers]
    distiller, _ = distil(teacher, student, [KLDivergence(), Hint("relu", "relu")])
    assert distiller.teacher is teacher
    assert [layer.trainable for layer in teacher.layers] == flags
    assert teacher.trainable
    for before, after in zip(weights, weights_of(teacher), strict=True):
        np.testing.assert_array_equal(before, after)
    distiller.trainable = False
    assert teacher.trainable


def test_the_student_learns_from_the_teacher_alone(teacher, student):
    x, y = make_data(64)
    _, history = distil(
        teacher,
        student,
        student_loss_weight=0.0,
        fit={"x": x, "y": y, "epochs": 30},
    )
    assert history["distillation_loss"][-1] < 0.3 * history["distillation_loss"][0]
    assert "student_loss" in history


@pytest.mark.parametrize("losses", [None, [KLDivergence(), Hint("relu", "relu")]])
def test_batch_norm_moves_once_a_step_and_not_in_evaluate(teacher, student, losses):
    x, y = make_data(8)
    bn = student.get_layer("bn")
    before = np.array(bn.moving_mean)
    batch_mean = np.array(student.get_layer("conv")(x)).mean((0, 1, 2))
    # The layer is called once more here than fit does, in inference mode.
    distiller, _ = distil(teacher, student, losses, fit={"x": x, "y": y})
    expected = before * bn.momentum + batch_mean * (1 - bn.momentum)
    np.testing.assert_allclose(bn.moving_mean, expected, rtol=1e-4, atol=1e-6)
    after = weights_of(distiller)
    distiller.evaluate(x, y, verbose=0)
    distiller.predict(x, verbose=0)
    for one, other in zip(after, weights_of(distiller), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_weight_one_trains_as_plain_fit_bit_for_bit(teacher, jit_compile):
    x, y = make_data()
    compile = {"jit_compile": jit_compile}
    plain = make_model(4, seed=2, l2=0.01, dropout=0.3)
    plain.compile(keras.optimizers.Adam(1e-2), crossentropy(), **compile)
    plain.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    student = make_model(4, seed=2, l2=0.01, dropout=0.3)
    distil(
        teacher, student, student_loss_weight=1.0, compile=compile, fit={"epochs": 2}
    )
    assert_same_weights(student, plain)


def test_weight_zero_ignores_the_labels(teacher):
    students = []
    x, y = make_data()
    for labels in (y, (y + 1) % 3):
        student = make_model(4, seed=2)
        distil(teacher, student, student_loss_weight=0.0, fit={"x": x, "y": labels})
        students.append(student)
    unlabelled = make_model(4, seed=2)
    distiller = kerakd.Distiller(
        teacher, unlabelled, KLDivergence(), student_loss_weight=0.0
    )
    distiller.compile(keras.optimizers.Adam(1e-2))
    distiller.fit(x, batch_size=8, shuffle=False, verbose=0)
    assert_same_weights(*students)
    assert_same_weights(students[0], unlabelled)


def test_total_is_the_weighted_sum(teacher, student):
    x, y = make_data(8)
    student.get_layer("bn").momentum = 1.0
    losses = [KLDivergence(2.0), Hint("relu", "relu")]
    _, history = distil(
        teacher,
        student,
        losses,
        fit={"x": x, "y": y},
        distillation_loss_weights=[0.5, 3.0],
        student_loss_weight=0.2,
    )
    logs = {key: values[0] for key, values in history.items()}
    soft = 0.5 * logs["kl_divergence"] + 3.0 * logs["hint"]
    assert logs["distillation_loss"] == pytest.approx(soft, rel=1e-5)
    total = 0.2 * logs["student_loss"] + 0.8 * soft
    assert logs["total_loss"] == pytest.approx(total, rel=1e-5)
    assert logs["loss"] == logs["total_loss"]


def test_validation_asks_no_teacher(teacher, student):
    x, y = make_data()
    _, history = distil(teacher, student, fit={"validation_data": (x, y)})
    validation = {key for key in history if key.startswith("val_")}
    assert validation == {
        "val_loss",
        "val_total_loss",
        "val_student_loss",
        "val_accuracy",
    }
    assert history["val_loss"] == history["val_total_loss"]
    assert history["val_loss"] == history["val_student_loss"]


def test_evaluate_and_predict_are_the_students(teacher):
    x, y = make_data()
    student = make_model(4, seed=2, l2=0.1)
    distiller, _ = distil(teacher, student)
    mine = distiller.evaluate(x, y, verbose=0, return_dict=True)
    student.compile(loss=crossentropy(), metrics=["accuracy"])
    theirs = student.evaluate(x, y, verbose=0, return_dict=True)
    assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-6)
    assert mine["accuracy"] == theirs["accuracy"]
    np.testing.assert_array_equal(
        distiller.predict(x, verbose=0), student.predict(x, verbose=0)
    )


def test_a_sample_of_weight_zero_is_out_of_every_gradient(teacher):
    """Its pixels and label may be anything; BatchNorm, which sees it, is frozen."""
    losses = [
        KLDivergence(),
        Hint("relu", "relu"),
        keras.distillation.LogitsDistillation(loss=keras.losses.KLDivergence()),
        keras.losses.MeanSquaredError(),
    ]
    x, y = make_data(8)
    other_x, other_y = x.copy(), y.copy()
    other_x[3], other_y[3] = 50.0, (y[3] + 1) % 3
    weight = np.ones(8, "float32")
    weight[3] = 0.0
    results = []
    for images, labels in ((x, y), (other_x, other_y)):
        student = make_model(4, seed=2)
        student.get_layer("bn").trainable = False
        _, history = distil(
            teacher,
            student,
            losses,
            fit={"x": images, "y": labels, "sample_weight": weight},
            compile={
                "optimizer": keras.optimizers.SGD(0.1),
                "weighted_metrics": ["accuracy"],
                "metrics": None,
            },
        )
        results.append((student, history))
    assert_same_weights(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


def test_class_weights_count_in_every_term(teacher):
    x, y = make_data(8)
    logs = []
    for class_weight, sample_weight in (
        ({0: 3.0, 1: 1.0, 2: 0.0}, None),
        (None, np.array([3.0, 1.0, 0.0])[y]),
    ):
        student = make_model(4, seed=2)
        fit = {"x": x, "y": y, "class_weight": class_weight}
        fit["sample_weight"] = sample_weight
        logs.append(distil(teacher, student, fit=fit)[1])
    assert logs[0] == logs[1]


def test_the_students_regularisers_are_counted(teacher):
    totals = []
    for l2 in (0.0, 0.5):
        student = make_model(4, seed=2, l2=l2)
        kernel = np.array(student.get_layer("conv").kernel)
        x, y = make_data(8)
        _, history = distil(teacher, student, fit={"x": x, "y": y})
        totals.append(history["total_loss"][0])
    penalty = 0.5 * np.square(kernel).sum()
    assert totals[1] - totals[0] == pytest.approx(penalty, rel=1e-4)


@pytest.mark.parametrize(
    ("teacher_layer", "student_layer"),
    [("conv", "conv"), ("relu", "pool"), ("pool", "relu"), ("pool", "logits")],
)
def test_features_of_any_shape_are_projected(teacher_layer, student_layer):
    teacher = make_model(8, seed=1, size=16)
    student = make_model(4, seed=2)
    distiller = kerakd.Distiller(
        teacher, student, Hint(teacher_layer, student_layer), student_loss_weight=0.0
    )
    distiller.compile(keras.optimizers.Adam(3e-2))
    x, _ = make_data(16)
    history = distiller.fit(x, epochs=40, verbose=0).history["hint"]
    assert len(distiller.projectors) == 1
    assert history[-1] < 0.7 * history[0]
    assert all("projector" not in w.path for w in student.weights)


def test_layers_of_nested_models_are_found(teacher):
    inner = make_model(4, seed=2, name="backbone")
    inputs = keras.Input((8, 8, 1))
    student = keras.Model(inputs, inner(inputs * 1.0))
    _, history = distil(teacher, student, Hint("relu", "backbone/relu"))
    assert np.isfinite(history["hint"]).all()
    with pytest.raises(kerakd.KerakdError, match="backbone/relu"):
        kerakd.Distiller(teacher, student, Hint("relu", "backbone/rellu"))


def test_sequential_models_are_tapped(teacher):
    student = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, strides=2, name="first"),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    _, history = distil(teacher, student, Hint("relu", "first"))
    assert np.isfinite(history["hint"]).all()


class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.flat = keras.layers.Flatten()
        self.dense = keras.layers.Dense(3)

    def call(self, x):
        return self.dense(self.flat(x))


def test_subclassed_models_work_where_no_layer_is_tapped(teacher):
    _, history = distil(Subclassed(), Subclassed())
    assert np.isfinite(history["loss"]).all()
    with pytest.raises(kerakd.KerakdError, match="subclassed"):
        kerakd.Distiller(teacher, Subclassed(), Hint("relu", "dense"))


def test_a_teacher_of_another_size_and_colour():
    teacher = make_model(8, seed=1, size=16, channels=3)
    student = make_model(4, seed=2)
    x, y = make_data(8)
    _, history = distil(teacher, student, fit={"x": x, "y": y})
    resized = tf.image.resize(np.repeat(x, 3, -1), (16, 16), antialias=True)
    fresh = make_model(4, seed=2)
    expected = kerakd.losses.kl_divergence(
        teacher(resized, training=False), fresh(x, training=True)
    )
    assert history["kl_divergence"][0] == pytest.approx(float(expected), rel=1e-4)


def test_inputs_are_routed(student):
    teacher = make_model(8, seed=1, size=16)
    x, y = make_data(8)
    larger, _ = make_data(8, size=16, seed=3)
    _, history = distil(
        teacher, student, fit={"x": {"student": x, "teacher": larger}, "y": y}
    )
    expected = kerakd.losses.kl_divergence(
        teacher(larger, training=False), make_model(4, seed=2)(x, training=True)
    )
    assert history["kl_divergence"][0] == pytest.approx(float(expected), rel=1e-4)


def test_several_teachers_are_averaged_in_probability(student):
    teachers = [make_model(8, seed=s) for s in (1, 5)]
    x, y = make_data(8)
    _, history = distil(
        teachers,
        student,
        KLDivergence(3.0),
        fit={"x": x, "y": y},
        teacher_weights=[3.0, 1.0],
    )
    soft = [keras.ops.softmax(t(x, training=False) / 3.0) for t in teachers]
    mean = 0.75 * np.array(soft[0]) + 0.25 * np.array(soft[1])
    logits = make_model(4, seed=2)(x, training=True)
    q = np.array(keras.ops.log_softmax(logits / 3.0))
    expected = 9.0 * (mean * (np.log(mean) - q)).sum(-1).mean()
    assert history["kl_divergence"][0] == pytest.approx(expected, rel=1e-4)


def two_headed(seed):
    base = make_model(4, seed=seed)
    pooled = base.get_layer("pool").output
    outputs = {
        "a": keras.layers.Dense(3, name="a")(pooled),
        "b": keras.layers.Dense(2, name="b")(pooled),
    }
    return keras.Model(base.inputs, outputs)


def test_models_of_several_outputs():
    x, y = make_data(8)
    labels = {"a": y, "b": y % 2}
    compile = {"loss": {"a": crossentropy(), "b": crossentropy()}, "metrics": None}
    teacher, student = two_headed(1), two_headed(2)
    _, both = distil(teacher, student, compile=compile, fit={"x": x, "y": labels})
    parts = []
    for output in ("a", "b"):
        student = two_headed(2)
        loss = KLDivergence(output=output)
        fit = {"x": x, "y": labels}
        parts.append(
            distil(teacher, student, loss, compile=compile, fit=fit)[1]["kl_divergence"]
        )
    assert both["kl_divergence"][0] == pytest.approx(parts[0][0] + parts[1][0])
    assert "a_loss" in both


def test_keras_distillation_losses_are_taken(teacher, student):
    ours = distil(teacher, student, KLDivergence(2.0))[1]
    theirs = distil(
        teacher,
        make_model(4, seed=2),
        keras.distillation.LogitsDistillation(2.0, keras.losses.KLDivergence()),
    )[1]
    assert theirs["logits_distillation"][0] == pytest.approx(
        ours["kl_divergence"][0], rel=1e-4
    )


def test_schedules_follow_the_distillers_own_steps(teacher, student):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [1.0, 0.0])
    x, y = make_data(8)
    distiller, history = distil(
        teacher,
        student,
        student_loss_weight=schedule,
        fit={"x": x, "y": y, "epochs": 4},
    )
    assert int(distiller.steps) == 4
    h = {key: np.array(values) for key, values in history.items()}
    np.testing.assert_allclose(h["total_loss"][:2], h["student_loss"][:2], rtol=1e-5)
    np.testing.assert_allclose(
        h["total_loss"][2:], h["distillation_loss"][2:], rtol=1e-5
    )


@pytest.mark.parametrize(
    "compile",
    [{"steps_per_execution": 3}, {"run_eagerly": True}, {"jit_compile": True}],
    ids=["steps_per_execution", "eager", "xla"],
)
def test_every_mode_of_keras_takes_the_same_steps(teacher, compile):
    students = []
    for options in ({}, compile):
        student = make_model(4, seed=2)
        losses = [KLDivergence(), Hint("relu", "pool")]
        keras.utils.set_random_seed(3)  # the projector's
        distil(teacher, student, losses, compile=options)
        students.append(student)
    for a, b in zip(weights_of(students[0]), weights_of(students[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_gradient_accumulation_waits(teacher, student):
    before = weights_of(student)[0]
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=4)
    distiller, _ = distil(teacher, student, compile={"optimizer": optimizer})
    np.testing.assert_array_equal(weights_of(student)[0], before)  # 3 of 4 steps
    distiller.fit(*make_data(8), batch_size=8, verbose=0)
    assert np.abs(weights_of(student)[0] - before).max() > 0


def test_mixed_precision_scales_the_loss(teacher):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        student = make_model(4, seed=2)
    finally:
        keras.config.set_dtype_policy("float32")
    distiller, history = distil(
        teacher, student, [KLDivergence(), Hint("relu", "relu")]
    )
    assert isinstance(distiller.optimizer, keras.optimizers.LossScaleOptimizer)
    assert np.isfinite(history["loss"]).all()


def test_callbacks_and_tf_data(teacher, student):
    x, y = make_data()
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    stop = keras.callbacks.EarlyStopping("val_loss", min_delta=100.0, patience=1)
    _, history = distil(
        teacher,
        student,
        fit={
            "x": data,
            "y": None,
            "batch_size": None,
            "epochs": 5,
            "validation_data": data,
            "callbacks": [stop],
        },
    )
    assert len(history["loss"]) == 2


def softmax_model():
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"teacher": softmax_model}, "with_logits"),
        ({"student": softmax_model}, "with_logits"),
        ({"teacher": lambda: make_model(4, 1, classes=5)}, "5 classes"),
        ({"teacher": lambda: "no.keras"}, "no.keras"),
        ({"teacher": lambda: 3}, "int"),
        ({"teacher": lambda: None}, "teacher"),
        ({"student_loss_weight": lambda: 1.5}, "student_loss_weight"),
        ({"student_loss_weight": lambda: -0.1}, "student_loss_weight"),
        ({"student_loss_weight": lambda: True}, "student_loss_weight"),
        ({"distillation_losses": list}, "distillation_losses"),
        ({"distillation_losses": lambda: None}, "distillation_losses"),
        ({"distillation_losses": lambda: Hint("rellu", "relu")}, "Did you mean 'relu'"),
        ({"distillation_losses": lambda: Hint("relu", "x")}, "student.*no layer 'x'"),
        ({"distillation_losses": lambda: "dkdd"}, "dkdd"),
        ({"distillation_loss_weights": lambda: [1.0, 2.0]}, "1 number"),
        ({"distillation_loss_weights": lambda: [-1.0]}, "at least 0"),
        ({"distillation_loss_weights": lambda: [float("nan")]}, "finite"),
        (
            {"distillation_losses": lambda: Hint("relu", "relu", teacher_index=1)},
            "teacher 1",
        ),
        ({"teacher_weights": lambda: [0.0]}, "greater than 0"),
    ],
)
def test_what_is_wrong_is_refused_in_the_constructor(
    teacher, student, arguments, message
):
    options = {
        "teacher": teacher,
        "student": student,
        "distillation_losses": KLDivergence(),
        **{key: make() for key, make in arguments.items()},
    }
    with pytest.raises(kerakd.KerakdError, match=message):
        kerakd.Distiller(**options)


def test_teacher_and_student_may_not_be_one_object(teacher):
    with pytest.raises(kerakd.KerakdError, match="same object"):
        kerakd.Distiller(teacher, teacher, KLDivergence())


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (None, "needs a `loss`"),
        (keras.losses.SparseCategoricalCrossentropy(), "from_logits=True"),
        (keras.losses.sparse_categorical_crossentropy, "from_logits=True"),
    ],
)
def test_a_loss_on_probabilities_is_refused(teacher, student, loss, message):
    distiller = kerakd.Distiller(teacher, student, KLDivergence())
    with pytest.raises(kerakd.KerakdError, match=message):
        distiller.compile("adam", loss)


def test_a_crossentropy_by_name_is_read_on_logits(teacher):
    runs = []
    for loss in ("sparse_categorical_crossentropy", crossentropy()):
        student = make_model(4, seed=2)
        distil(teacher, student, compile={"loss": loss})
        runs.append(student)
    assert_same_weights(*runs)


def test_missing_labels_are_told(teacher, student):
    x, _ = make_data(8)
    distiller = kerakd.Distiller(teacher, student, KLDivergence())
    distiller.compile("adam", crossentropy())
    with pytest.raises(kerakd.KerakdError, match="no labels"):
        distiller.fit(x, verbose=0)


def test_the_relatives_names_are_there(teacher, student):
    distiller = kerakd.Distiller(
        teacher=teacher,
        student=student,
        distillation_losses=[keras.distillation.LogitsDistillation(temperature=3.0)],
        distillation_loss_weights=[0.7],
        student_loss_weight=0.4,
        name="mine",
    )
    assert distiller.name == "mine"
    assert distiller.student is student
    assert distiller.student_loss_weight == 0.4
    assert list(distiller.distillation_loss_weights) == [0.7]
    assert len(distiller.distillation_losses) == 1
    assert distiller.total_loss_tracker.name == "total_loss"


def test_compute_loss_is_what_a_step_reports(teacher, student):
    x, y = make_data(8)
    distiller = kerakd.Distiller(teacher, student, KLDivergence())
    distiller.compile(keras.optimizers.SGD(0.0), crossentropy())
    value = float(distiller.compute_loss(x, y))
    logs = distiller.fit(x, y, batch_size=8, verbose=0).history
    assert logs["loss"][0] == pytest.approx(value, rel=1e-5)

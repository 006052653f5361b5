"""A network that learns with few values in each kernel."""

import numpy as np
import pytest

from kerakd.compress import cluster
from kerakd.errors import RecipeError
from tests.compress.aware import task


@pytest.fixture(scope="module")
def clustered(student, train):
    return cluster(
        student,
        train,
        clusters=6,
        skip=["logits"],
        teacher=student,
        epochs=2,
        learning_rate=1e-3,
        progress=False,
    )


def test_a_kernel_holds_as_many_values_as_were_asked_for(clustered):
    assert set(clustered.report["layers"]) == {"stem", "excite", "wide"}
    for name, count in clustered.report["layers"].items():
        kernel = np.asarray(clustered.model.get_layer(name).kernel)
        assert len(np.unique(kernel)) == count <= 6


def test_what_is_skipped_or_depthwise_keeps_its_values(clustered):
    for name in ("depth", "logits"):
        kernel = clustered.model.get_layer(name).get_weights()[0]
        assert len(np.unique(kernel)) > 6


def test_it_learned_on_and_knows_its_task(clustered, held_out):
    images, labels = held_out
    assert task.accuracy(clustered.model(images, training=False), labels) > 0.9
    losses = [row["distillation_loss"] for row in clustered.history]
    assert losses[1] < losses[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clusters": 1}, "`clusters` must be"),
        ({"beginning": "middle"}, "`beginning` is one of"),
        ({"skip": ["nobody"]}, "'nobody'"),
    ],
)
def test_an_option_out_of_range_is_refused(student, train, options, message):
    with pytest.raises(RecipeError, match=message):
        cluster(student, train, progress=False, **options)

"""A network that learns with fewer weights."""

import numpy as np
import pytest

from kerakd.compress import prune, quantize
from kerakd.compress.aware.integers import gzip_bytes
from kerakd.compress.aware.prune import is_two_in_four
from kerakd.errors import DataError, RecipeError
from tests.compress.aware import task
from tests.compress.bridge.networks import small_unet


@pytest.fixture(scope="module")
def pruned(student, train, tmp_path_factory):
    return prune(
        student,
        train,
        sparsity=0.75,
        skip=["stem"],
        teacher=student,
        epochs=3,
        learning_rate=2e-3,
        path=tmp_path_factory.mktemp("pruned") / "student.tflite",
        progress=False,
    )


def test_the_share_of_zeros_is_the_one_asked_for(pruned):
    assert set(pruned.report["layers"]) == {"excite", "wide", "logits"}
    for name, share in pruned.report["layers"].items():
        kernel = np.asarray(pruned.model.get_layer(name).kernel)
        assert (kernel == 0).mean() == share == pytest.approx(0.75, abs=0.02)
    assert pruned.report["sparsity"] == pytest.approx(0.75, abs=0.02)


def test_what_is_skipped_or_depthwise_has_no_zeros(pruned):
    for name in ("stem", "depth"):
        assert np.all(pruned.model.get_layer(name).get_weights()[0] != 0)


def test_it_still_knows_its_task(pruned, held_out):
    images, labels = held_out
    assert task.accuracy(pruned.model(images, training=False), labels) > 0.9
    assert "distillation_loss" in pruned.history[-1]


def test_the_zip_of_the_file_is_smaller_and_the_file_is_not(
    pruned, student, train, tmp_path
):
    whole = quantize(student, "int8", train[0], path=tmp_path / "whole.tflite")
    # 1300 of the kernels' 2000 weights are zero.
    assert pruned.report["gzip_bytes"] < gzip_bytes(whole.path) - 600
    assert pruned.export.bytes == pytest.approx(whole.bytes, rel=0.1)


@pytest.mark.slow
def test_two_in_every_four_weights_are_zero(student, train):
    result = prune(
        student,
        (train[0][:48], train[1][:48]),
        structure="2:4",
        epochs=1,
        progress=False,
    )
    # The stem has 3 input channels, which are no multiple of 4.
    assert set(result.report["layers"]) == {"excite", "wide", "logits"}
    for name in result.report["layers"]:
        assert is_two_in_four(np.asarray(result.model.get_layer(name).kernel)), name
    assert not is_two_in_four(np.asarray(student.get_layer("wide").kernel))


@pytest.mark.slow
def test_a_unet_of_z_scored_slices_is_pruned_and_exported(tmp_path):
    model = small_unet()
    images = np.random.default_rng(0).normal(size=(32, 32, 32, 3)).astype(np.float32)
    masks = (images.mean(-1) > 0).astype(np.int64)
    result = prune(
        model,
        (images, masks),
        teacher=model,
        batch_size=16,
        path=tmp_path / "unet.tflite",
        progress=False,
    )
    assert result.report["sparsity"] == pytest.approx(0.5, abs=0.02)
    assert result.export.report["float_operators"] == {}
    assert result.export.report["top1_agreement"] > 0.9


def test_too_few_images_for_int8_are_noticed_before_the_training(student, train):
    few = (train[0][:48], train[1][:48])
    with pytest.raises(DataError, match="at least 100 images"):
        prune(student, few, path="student.tflite", progress=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sparsity": 1.0}, "`sparsity` must be"),
        ({"structure": "4:8"}, "`structure` is one of"),
        ({"begin": 0.7, "end": 0.2}, "begin < end"),
        ({"skip": ["stemm"]}, "'stemm'.*Did you mean 'stem'"),
        ({"skip": ["stem", "excite", "wide", "logits"]}, "nothing to do"),
    ],
)
def test_an_option_out_of_range_is_refused(student, train, options, message):
    with pytest.raises(RecipeError, match=message):
        prune(student, train, progress=False, **options)

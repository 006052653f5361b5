"""int8 of a U-Net whose slices are z-scores and no bytes."""

import numpy as np
import pytest

import kerakd
from kerakd.compress import LiteRTModel, quantize, representative
from kerakd.compress.metadata import _CONVERTED, _MARKED
from kerakd.compress.rewrites import take_float32
from kerakd.errors import DataError


@pytest.fixture(scope="module")
def unet():
    model = kerakd.models.build("unet_student", 2, (16, 16, 3), filters=[8, 16])
    # Statistics of BatchNorm that are real.
    for _ in range(30):
        model(scores(32, seed=1), training=True)
    return model


def scores(count, seed=0):
    """Slices as they are made: 0 outside of the brain, z-scores inside."""
    random = np.random.default_rng(seed)
    slices = random.normal(size=(count, 16, 16, 3)).astype(np.float32)
    slices[:, :4] = 0
    return slices


@pytest.fixture(scope="module")
def int8(unet, tmp_path_factory):
    path = tmp_path_factory.mktemp("int8") / "student_int8.tflite"
    return quantize(
        unet,
        "int8",
        scores(120),
        path=path,
        inputs="values",
        input_dtype="int8",
        backend="converter",
        preprocessing={"modalities": ["flair", "t1ce", "t2"]},
    )


def test_int8_values_have_a_scale_of_their_own(int8, unet):
    assert int8.inputs["dtype"] == int8.outputs["dtype"] == "int8"
    # 256 steps from the least to the largest z-score that was seen.
    reach = scores(120).max() - scores(120).min()
    assert int8.inputs["scale"] == pytest.approx(reach / 255, rel=0.02)
    assert int8.report["outside_xnnpack"] == {} and int8.report["partitions"] == 1
    model = LiteRTModel(int8.path)
    assert model.metadata["inputs"] == "values"
    assert model.metadata["preprocessing"]["modalities"] == ["flair", "t1ce", "t2"]
    slices = scores(16, seed=2)
    expected = unet.predict(slices, verbose=0)
    assert np.abs(model(slices) - expected).mean() < 0.1 * expected.std()


def test_a_float_input_is_rounded_by_the_file_itself(int8):
    inside = LiteRTModel(int8.path)
    size = inside.metadata["flatbuffer"]["bytes"]
    content = int8.path.read_bytes()[:size].replace(_MARKED, _CONVERTED)
    model = LiteRTModel.from_content(take_float32(content))
    assert model.input_details["dtype"] == "float32"
    assert "scale" not in model.input_details
    slices = scores(16, seed=3)
    np.testing.assert_array_equal(model(slices), inside(slices))
    found = model.operators()
    assert found["partitions"] == 1 and found["outside_xnnpack"] == {}
    # What lies beyond the range that was seen is clipped, in both.
    np.testing.assert_array_equal(model(1e3 * slices), inside(1e3 * slices))


def test_values_are_checked_as_such():
    drawn = representative(scores(120), (16, 16, 3), inputs="values")
    assert drawn.images.min() < 0
    with pytest.raises(DataError, match='inputs="values"'):
        representative(scores(120), (16, 16, 3))
    with pytest.raises(DataError, match="finite and not all alike"):
        representative(np.zeros((120, 16, 16, 3)), (16, 16, 3), inputs="values")
    broken = scores(120)
    broken[3, 5, 5, 1] = np.nan
    with pytest.raises(DataError, match="finite"):
        representative(broken, (16, 16, 3), inputs="values")

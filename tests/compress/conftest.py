"""Fixtures that the tests of this room share."""

import pytest

from tests.compress.tiny import pixels, small_classifier


@pytest.fixture(scope="session")
def model():
    return small_classifier()


@pytest.fixture(scope="session")
def images():
    return pixels(12, seed=1)


@pytest.fixture(scope="session")
def exported(model, images, tmp_path_factory):
    """`model`, exported in float32 with class names."""
    from kerakd.compress import quantize

    return quantize(
        model,
        representative_data=images,
        path=tmp_path_factory.mktemp("export") / "student.tflite",
        class_names=["glioma", "meningioma", "notumor", "pituitary"],
        provenance={"recipe": "tests"},
    )

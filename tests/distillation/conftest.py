"""Fixtures of the Distiller's tests."""

import pytest

from tests.distillation.tiny import make_model


@pytest.fixture
def teacher():
    return make_model(8, seed=1, name="teacher")


@pytest.fixture
def student():
    return make_model(4, seed=2, name="student")

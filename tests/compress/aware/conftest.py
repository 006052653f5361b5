"""Fixtures that the tests of this room share."""

import pytest

from tests.compress.aware import task


@pytest.fixture(scope="session")
def student():
    return task.trained()


@pytest.fixture(scope="session")
def train():
    return task.quadrants()


@pytest.fixture(scope="session")
def held_out():
    return task.quadrants(64, seed=9)

"""Fixtures of the tests of runs."""

import pytest

from tests.run.tiny import finished_run


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a finished tiny run; tests read it and never change it."""
    return finished_run(tmp_path_factory.getbasetemp())

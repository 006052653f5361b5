"""Fixtures that several test files share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets that `KERAKD_DATA` names."""
    folder = os.environ.get("KERAKD_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("KERAKD_DATA names no folder of real data")
    return Path(folder)

from pathlib import Path

import pytest

from kerakd.errors import ModelError
from kerakd.run.networks import find_weights, weights_places

NAME = "backbone.weights.h5"


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAKD_DATA", raising=False)
    monkeypatch.delenv("KERAKD_WEIGHTS", raising=False)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / NAME).touch()
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_weights_are_found_beside_the_data_folder(data):
    found = find_weights(NAME, weights_places(None, None, data))
    assert Path(found) == data.parent / "weights" / NAME


def test_weights_are_found_beside_the_environments_data_folder(data, monkeypatch):
    monkeypatch.setenv("KERAKD_DATA", str(data))
    found = find_weights(NAME, weights_places(None, None))
    assert Path(found) == data.parent / "weights" / NAME


def test_a_folder_that_was_named_comes_before(data, tmp_path):
    named = tmp_path / "named"
    named.mkdir()
    (named / NAME).touch()
    found = find_weights(NAME, weights_places(None, named, data))
    assert Path(found) == named / NAME


def test_where_it_was_looked_for_is_said(data):
    with pytest.raises(ModelError, match="weights"):
        find_weights("other.weights.h5", weights_places(None, None, data))

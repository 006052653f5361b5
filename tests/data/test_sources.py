"""A source is found below the data folder, by its path, or in kagglehub's cache."""

import subprocess
import sys

import pytest

from kerakd.data import load_images, resolve
from kerakd.errors import DataError
from tests.data.image_folders import write_tree

HANDLE = "kaggle:owner/some-slug/versions/3"


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv("KERAKD_DATA", raising=False)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """An empty cache of kagglehub, and no way out: nothing listens on port 9."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_name_below_the_data_folder(tmp_path, monkeypatch):
    folder = write_tree(tmp_path / "busi", {"B": 1, "M": 1})
    assert resolve("busi", tmp_path) == folder
    monkeypatch.setenv("KERAKD_DATA", str(tmp_path))
    assert resolve("busi") == folder
    assert resolve(None) == tmp_path


def test_the_data_folder_may_be_the_data_set(tmp_path):
    folder = write_tree(tmp_path / "busi", {"B": 1, "M": 1})
    assert resolve("busi", folder) == folder
    assert resolve("breast-ultrasound", folder) == folder
    volumes = tmp_path / "brats"
    volumes.mkdir()
    assert resolve("brats", volumes) == volumes


def test_a_path(tmp_path, monkeypatch):
    folder = write_tree(tmp_path / "busi", {"B": 1, "M": 1})
    assert resolve(folder) == resolve(str(folder), tmp_path) == folder
    monkeypatch.chdir(tmp_path)
    assert resolve("busi").samefile(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve("~/busi") == folder


def test_an_explicit_data_folder_goes_before_the_working_directory(
    tmp_path, monkeypatch
):
    for name in ("here", "there"):
        write_tree(tmp_path / name / "busi", {"B": 1, "M": 1})
    monkeypatch.chdir(tmp_path / "here")
    assert resolve("busi", tmp_path / "there") == tmp_path / "there" / "busi"


def test_what_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"no folder busi; .*--data"):
        resolve("busi")
    with pytest.raises(DataError, match="with --data"):
        resolve(None)
    with pytest.raises(DataError, match=r"--data names .*absent, which is no folder"):
        resolve("busi", tmp_path / "absent")
    (tmp_path / "breast-ultrasound").mkdir()
    with pytest.raises(DataError, match="Did you mean 'breast-ultrasound'"):
        resolve("breast-ultrasuond", tmp_path)
    with pytest.raises(DataError, match="no folder /absent/mri"):
        resolve("/absent/mri", tmp_path)
    file = tmp_path / "archive.zip"
    file.touch()
    with pytest.raises(DataError, match=r"archive\.zip is a file"):
        resolve(file)


def test_a_wrong_variable_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAKD_DATA", str(tmp_path / "absent"))
    with pytest.raises(DataError, match="variable KERAKD_DATA names"):
        resolve("busi")


def test_a_cached_version_needs_no_network(offline):
    cached = offline / "datasets" / "owner" / "some-slug"
    folder = write_tree(cached / "versions" / "3", {"wrapped/B": 1, "wrapped/M": 1})
    (cached / "3.complete").touch()
    assert resolve(HANDLE) == folder
    assert load_images(resolve(HANDLE)).notes["entered"] == "wrapped"


def test_no_network_and_no_cache(offline):
    with pytest.raises(DataError) as caught:
        resolve(HANDLE)
    text = str(caught.value)
    assert "owner/some-slug/versions/3 (Kaggle cannot be reached)" in text
    assert "--data FOLDER" in text
    assert "www.kaggle.com/datasets/owner/some-slug" in text
    assert "FOLDER/Training/CLASS/*.jpg" in text


def test_an_interrupted_download_is_not_taken_for_the_data(offline):
    write_tree(offline / "datasets/owner/some-slug/versions/3", {"B": 1})
    with pytest.raises(DataError, match="cannot be reached"):
        resolve(HANDLE)


def test_a_handle_must_name_its_version(offline):
    with pytest.raises(DataError, match="kaggle:owner/some-slug/versions/N"):
        resolve("kaggle:owner/some-slug")


@pytest.mark.parametrize(
    "source", ["kaggle:", "kaggle:slug", "kaggle:a/b/versions/0", "kaggle:a/b/3/4"]
)
def test_what_is_no_handle(source):
    with pytest.raises(DataError, match="no Kaggle data set; write kaggle:OWNER"):
        resolve(source)


def test_data_at_hand_go_before_kaggle(tmp_path, monkeypatch, offline):
    folder = write_tree(tmp_path / "all" / "some-slug", {"B": 1, "M": 1})
    assert resolve(HANDLE, tmp_path / "all") == folder
    assert resolve(HANDLE, folder) == folder
    monkeypatch.setenv("KERAKD_DATA", str(tmp_path / "all"))
    assert resolve(HANDLE) == folder


def test_the_table_level_loads_no_tensorflow():
    code = (
        "import sys, kerakd.data as d; d.Samples, d.load_images, d.split, d.resolve;"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

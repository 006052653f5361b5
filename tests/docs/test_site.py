"""The site: every public name has its place in the reference, and no link is broken."""

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT

_spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
hooks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hooks)


@pytest.mark.parametrize("room", hooks.ROOMS)
def test_the_reference_has_every_public_name_where_it_is_defined(room):
    module = importlib.import_module(room)
    names = hooks.public_names(room)
    offered = getattr(module, "__all__", names)
    rooms = {name for name in offered if f"{room}.{name}" in hooks.ROOMS}
    if room != "kerakd":  # Its rooms have pages of their own.
        assert set(names) == set(offered) - rooms
    for name in names:
        place, _, last = hooks.place_of(room, name).rpartition(".")
        defined = vars(importlib.import_module(place))
        assert defined[last] is getattr(module, name)
        assert "\n::: " + f"{place}.{last}" in hooks.page_of(room)


def test_every_room_of_the_front_door_has_a_page():
    import kerakd

    without = {"distillation"}  # Its names are offered by `kerakd` and `losses`.
    assert {f"kerakd.{name}" for name in set(kerakd._MODULES) - without} <= set(
        hooks.ROOMS
    )


def build(folder, site):
    command = [sys.executable, "-m", "mkdocs", "build", "-d", str(site)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
def test_the_site_builds_without_a_broken_link(tmp_path):
    done = build(ROOT, tmp_path / "site")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "reference" / "kerakd.html").read_text()
    assert 'id="kerakd.distillation.distiller.Distiller"' in page
    assert "student_loss_weight" in page
    for page in (tmp_path / "site").rglob("*.html"):
        # Nothing is fetched from elsewhere when the page is opened.
        text = page.read_text()
        assert not re.search(r'<(script|img|link rel="stylesheet")[^>]+"https?:', text)


@pytest.mark.slow
def test_a_broken_link_is_an_error(tmp_path):
    for name in ("docs", "kerakd", "experiments", "benchmarks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=_caches)
    for name in ("mkdocs.yml", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    page = tmp_path / "docs" / "start.md"
    page.write_text(page.read_text() + "\nSee [nothing](nothing.md).\n")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert "nothing.md" in done.stderr + done.stdout


_caches = shutil.ignore_patterns("__pycache__")

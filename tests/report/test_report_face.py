import subprocess
import sys

import pytest

import kerakd.report


def test_every_name_can_be_loaded():
    for name in kerakd.report.__all__:
        assert callable(getattr(kerakd.report, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = kerakd.report.nothing


def test_a_report_is_written_without_tensorflow_or_pyplot(run_folder):
    code = (
        "import sys, kerakd.report as r\n"
        "assert 'matplotlib' not in sys.modules\n"
        "r.write_report(sys.argv[1]); r.plot_confusion([[1, 0], [0, 1]], 'ab')\n"
        "r.draw_figures, r.visualize_classification_kd\n"
        "loaded = {'tensorflow', 'keras', 'matplotlib.pyplot'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run_folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

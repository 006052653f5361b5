"""A recipe carried out by two workers."""

import signal
import time

import pytest

from kerakd.errors import RecipeError
from kerakd.files import read_json
from kerakd.recipe import strict_yaml
from kerakd.run import together
from kerakd.training import devices, workers
from tests.processes import ended, start_workers
from tests.run.tiny import page

KERAKD = ("-c", "from kerakd.cli import main; main()")


def run_of(folder, *more):
    recipe = folder / "tiny.yaml"
    recipe.write_text(strict_yaml.dump(page(student__training__epochs=12)))
    figures = [["--json", folder / f"{index}.json"] for index in (0, 1)]
    command = ("run", recipe, "--out", folder / "run", "--strategy", "multi_worker")
    return start_workers(2, *KERAKD, *command, "--quiet", *more, each=figures)


@pytest.mark.slow
def test_workers_carry_out_a_recipe_and_take_it_up_again(tmp_path):
    out = tmp_path / "run"
    processes = run_of(tmp_path)
    until = time.monotonic() + 400
    while not (out / "checkpoints" / "student" / "checkpoint.json").is_file():
        assert processes[0].poll() is None, processes[0].communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    processes[1].send_signal(signal.SIGKILL)
    codes, told = ended(processes, 120)
    assert codes == [2, -signal.SIGKILL], told
    sentence = told[0].strip().splitlines()[-1]
    assert sentence.startswith("error: A worker was lost") and "--resume" in sentence
    assert (out / "teacher.keras").is_file() and not (out / "student.keras").exists()

    codes, told = ended(run_of(tmp_path, "--resume"))
    assert codes == [0, 0], "\n".join(text[-4000:] for text in told)
    assert "the run folder is that of worker 0" in told[1]
    metrics = read_json(tmp_path / "0.json")
    assert metrics == read_json(out / "metrics.json")
    assert metrics["models"]["student"]["test"]["count"]
    assert not (tmp_path / "1.json").exists()
    for name in ("report.html", "student.keras", "student_float32.tflite"):
        assert (out / name).is_file(), name
    rows = (out / "history_student.csv").read_text().splitlines()
    assert len(rows) == 1 + 12


def test_what_workers_cannot_do_together_is_refused(monkeypatch):
    together.refuse("A sweep")  # one process does it all
    pair = workers.Cluster(("a:1", "b:2"), 0)
    monkeypatch.setattr(devices, "cluster", lambda: pair)
    with pytest.raises(RecipeError, match="A sweep cannot be carried out by several"):
        together.by_workers(lambda *_, **__: None)(None, "out", sweeps=[("seed", [1])])

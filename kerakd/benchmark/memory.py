"""What a process holds in memory, files that are mapped not counted."""

import json
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

from kerakd.errors import KerakdError

_STATUS = Path("/proc/self/status")


def resident() -> dict[str, float]:
    """Resident memory in megabytes: `anonymous`, and `file` for mapped files.

    Raises:
        KerakdError: The system does not tell (it is no Linux).
    """
    try:
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        raise KerakdError(
            "Memory is measured by /proc, which this system does not have; run this "
            "benchmark on Linux."
        ) from None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return {
        "anonymous": int(fields["RssAnon"].split()[0]) / 1024,
        "file": int(fields["RssFile"].split()[0]) / 1024,
    }


class Peak:
    """The largest anonymous memory within a `with` block, looked at every 20 ms."""

    def __enter__(self) -> "Peak":
        self.megabytes = resident()["anonymous"]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.megabytes = max(self.megabytes, resident()["anonymous"])


_TRAINING = """
    import json, sys
    from kerakd.benchmark.memory import Peak
    from kerakd.benchmark.step import Pair
    import keras, tensorflow as tf
    from kerakd.distillation.distiller import Distiller
    from kerakd.distillation.logits import KLDivergence
    size, batch, cached = (int(one) for one in sys.argv[1:4])
    bench = Pair(size, batch, "plain_cnn", sys.argv[4])
    x = bench.x
    model = bench.new_student()
    if cached:
        model = Distiller(bench.teacher, model, KLDivergence(4.0))
        x = {"student": x, "teacher_outputs": tf.zeros((batch, 1, 4))}
    with Peak() as peak:
        bench.block(model, 6, x)()
    print(json.dumps(peak.megabytes))
"""
_IMPORT = """
    import sys, time
    start = time.perf_counter()
    import kerakd
    print([time.perf_counter() - start, "tensorflow" in sys.modules])
"""


def benchmark_memory(
    image_size: int = 128,
    batch_size: int = 32,
    student: str = "mobilenet_v3_small",
    repeats: int = 3,
) -> dict[str, Any]:
    """Peak memory of cached training beside that of plain training; time of import.

    Every figure comes from a process of its own. Files that are mapped into memory,
    a cache among them, are not counted. The teacher whose logits are cached is tiny
    here, since a cached training never runs it.

    Args:
        image_size: Height and width in pixels.
        batch_size: Images in a step.
        student: A name of `kerakd.models.build`.
        repeats: Processes of each kind.

    Returns:
        A JSON-able dict: `megabytes` (median peaks by kind), `ratio`, `bar`, and
        `import_seconds`, `import_loads_tensorflow`, `import_bar`.

    Raises:
        KerakdError: The system does not tell what a process holds.
    """
    resident()
    peaks: dict[str, list] = {"student alone": [], "cached": []}
    for _ in range(repeats):
        for cached, kind in enumerate(peaks):
            options = [str(image_size), str(batch_size), str(cached), student]
            peaks[kind].append(float(_run(_TRAINING, options)))
    imports = [json.loads(_run(_IMPORT, []).lower()) for _ in range(max(repeats, 3))]
    middle = {kind: sorted(each)[len(each) // 2] for kind, each in peaks.items()}
    seconds = sorted(one for one, _ in imports)[len(imports) // 2]
    return {
        "image_size": image_size,
        "batch_size": batch_size,
        "student": student,
        "repeats": repeats,
        "megabytes": {kind: round(one, 1) for kind, one in middle.items()},
        "ratio": round(middle["cached"] / middle["student alone"], 4),
        "bar": 1.1,
        "import_seconds": round(seconds, 4),
        "import_loads_tensorflow": any(loaded for _, loaded in imports),
        "import_bar": 0.1,
    }


def _run(script: str, options: list[str]) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise KerakdError(f"A measured process failed: {ended.stderr[-500:]}")
    return ended.stdout.strip().splitlines()[-1]

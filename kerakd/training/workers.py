"""Several processes, on one machine or on many, that train one network together.

Each has `TF_CONFIG` in its environment, as `tf.distribute` wants it: who there is, and
which of them it is. All run the same command; the first of them, the chief, keeps the
files, and the others work in a temporary folder.
"""

import contextlib
import functools
import hashlib
import io
import json
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.errors import KerakdError, RecipeError

VARIABLE = "TF_CONFIG"
_EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", '
    '"index": 0}}'
)
_LOST = (
    "A worker was lost: its process ended, or the network between the workers broke. "
    "Start all workers again with --resume (in Python resume=True) to go on from the "
    "last checkpoint."
)
# One collective operation moves so many numbers at most: 64 MB.
_CHUNK = 2**24
_apart: ContextVar[bool] = ContextVar("kerakd_worker_apart", default=False)


@dataclass(frozen=True)
class Cluster:
    """Who trains, and which of them this process is.

    Args:
        addresses: Of all workers, the chief first.
        index: This one's place among them.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def count(self) -> int:
        """How many workers there are."""
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        """Whether this process keeps the files."""
        return self.index == 0


def read_cluster() -> Cluster:
    """What `TF_CONFIG` says.

    Raises:
        RecipeError: It is not there, or not as `tf.distribute` wants it.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        raise RecipeError(
            "The strategy multi_worker reads the environment variable TF_CONFIG, which "
            f"is not set; give each worker one such as TF_CONFIG='{_EXAMPLE}'."
        )
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise _malformed(f"it is no JSON ({error})") from None
    content = content if isinstance(content, dict) else {}
    cluster, task = content.get("cluster"), content.get("task")
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise _malformed("it must hold the objects `cluster` and `task`")
    odd = [name for name in cluster if name not in ("chief", "worker")]
    if odd or not cluster:
        found = ", ".join(map(repr, odd)) or "nobody"
        raise _malformed(f"`cluster` may name `worker` and `chief`, and names {found}")
    for name, addresses in cluster.items():
        if not isinstance(addresses, list) or not all(map(_is_address, addresses)):
            raise _malformed(f"`{name}` must be a list of 'host:port'")
    kind, index = task.get("type"), task.get("index")
    if kind not in cluster:
        raise _malformed(f"`task` has the type {kind!r}, which `cluster` does not name")
    places = range(len(cluster[kind]))
    if isinstance(index, bool) or not isinstance(index, int) or index not in places:
        raise _malformed(
            f"`task` has the index {index!r}, and there are {len(places)} of the type "
            f"{kind!r}, counted from 0"
        )
    chiefs, workers = (cluster.get(name, []) for name in ("chief", "worker"))
    place = index + (len(chiefs) if kind == "worker" else 0)
    addresses = (*chiefs, *workers)
    if len(chiefs) > 1 or len(set(addresses)) < len(addresses):
        raise _malformed("there may be one chief, and each address once")
    return Cluster(addresses, place)


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"\S+:\d+", value))


def _malformed(reason: str) -> RecipeError:
    return RecipeError(
        f"TF_CONFIG is malformed: {reason}; it should be like {_EXAMPLE}."
    )


@functools.cache
def strategy() -> Any:
    """The strategy, which waits until all workers are there: one in a process.

    Raises:
        KerakdError: TensorFlow was used before, or this process sees several GPUs.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if len(gpus) > 1:
        raise KerakdError(
            f"A worker trains on one GPU and this one sees {len(gpus)}; start a worker "
            "for each, with CUDA_VISIBLE_DEVICES=0 and so on."
        )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        if "program startup" not in str(error):
            raise
        raise KerakdError(
            "The workers have to be connected before TensorFlow is used; enter "
            'kerakd.training.on_devices(strategy="multi_worker") before the first '
            "network or tensor is made."
        ) from None


def lost(error: Exception) -> KerakdError | None:
    """What an error means if it tells that a worker is gone; `None` for any other."""
    kind, text = type(error).__name__, str(error)
    if kind in ("UnavailableError", "AbortedError"):
        return KerakdError(_LOST)
    told = re.search("collective|grpc|recvbuf|connection|heartbeat", text.lower())
    errors = ("CancelledError", "DeadlineExceededError", "InternalError")
    if kind in errors and told:
        return KerakdError(_LOST)
    return None


# What workers tell one another ---------------------------------------------------


@functools.cache
def _summing() -> Any:
    import tensorflow as tf

    def summed(values):
        context = tf.distribute.get_replica_context()
        # An argument has no device, by which the strategy reduces.
        return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(values))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)], autograph=False)
    def of_all(values):
        return strategy().run(summed, args=(values,))

    return of_all


def _sum(values: np.ndarray) -> np.ndarray:
    """The sum of the workers' vectors, float32."""
    return _summing()(values.astype(np.float32)).numpy()


def shared(cluster: Cluster, content: bytes) -> bytes:
    """The chief's bytes, at every worker.

    Args:
        cluster: The workers, all of whom call this.
        content: What the chief tells; of no account at the others.
    """
    if cluster.count == 1:
        return content
    # Whole numbers below 2 ** 16 are exact in float32, which all devices add up.
    size = _sum(_digits(len(content)) if cluster.is_chief else np.zeros(4))
    size = int(sum(int(d) << (16 * place) for place, d in enumerate(size)))
    mine = np.zeros(-(-size // 2), np.uint16)
    if cluster.is_chief:
        mine = np.frombuffer(content + b"\0" * (size % 2), np.uint16)
    parts = [_sum(mine[i : i + _CHUNK]) for i in range(0, len(mine), _CHUNK)]
    joined = b"".join(part.astype(np.uint16).tobytes() for part in parts)
    return joined[:size]


def _digits(number: int) -> np.ndarray:
    return np.array([number >> (16 * place) & 0xFFFF for place in range(4)])


def agree(cluster: Cluster, what: Any) -> None:
    """Refuse to train where the workers were given different things.

    Args:
        cluster: The workers, all of whom call this.
        what: Plain values.

    Raises:
        RecipeError: They are not the same everywhere.
    """
    text = json.dumps(what, sort_keys=True, default=repr).encode()
    digest = np.frombuffer(hashlib.sha256(text).digest(), np.uint16)
    table = np.zeros((cluster.count, len(digest)))
    table[cluster.index] = digest
    table = _sum(table.reshape(-1)).reshape(table.shape)
    others = np.flatnonzero((table != table[0]).any(axis=1))
    if len(others):
        raise RecipeError(
            f"Worker {others[0]} was given other data, networks or options than worker "
            "0; start all workers with the same command, data and version of kerakd."
        )


def share_variables(cluster: Cluster, variables: Sequence[Any]) -> None:
    """Give the variables of all workers the values that the chief's have."""
    import keras

    values = [np.asarray(keras.ops.copy(v.value)) for v in variables]
    content = b"".join(value.tobytes() for value in values)
    found, place = shared(cluster, content), 0
    if cluster.is_chief:
        return
    for variable, value in zip(variables, values, strict=True):
        part = found[place : place + value.nbytes]
        place += value.nbytes
        variable.assign(np.frombuffer(part, value.dtype).reshape(value.shape))


@contextlib.contextmanager
def private(cluster: Cluster | None, out: Any) -> Iterator[Any]:
    """The folder that this worker writes: the chief's is `out`, the others' temporary.

    Args:
        cluster: The workers; `None` where there is one process.
        out: The folder, or `None` for none.
    """
    alone = cluster is None or cluster.is_chief or out is None or _apart.get()
    with contextlib.ExitStack() as stack:
        if not alone:
            prefix = "kerakd-worker-"
            out = stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix))
        token = _apart.set(True)
        try:
            yield out
        finally:
            _apart.reset(token)


def share_folder(cluster: Cluster, folder: Path, without: Sequence[str] = ()) -> None:
    """Copy what the chief's folder holds to the folders of the others.

    Args:
        cluster: The workers, all of whom call this.
        folder: Of each its own; may be absent at the chief.
        without: Names that are left out.
    """
    packed = io.BytesIO()
    if cluster.is_chief and cluster.count > 1:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for entry in sorted(Path(folder).glob("*")):
                if entry.name not in without:
                    archive.add(entry, entry.name)
    content = shared(cluster, packed.getvalue())
    if not cluster.is_chief:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(folder, filter="data")

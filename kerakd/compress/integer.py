"""int8 that is faster than float: try, inspect, repair, measure, choose."""

import contextlib
import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from kerakd.compress.backends import BACKENDS
from kerakd.compress.equalise import equalise
from kerakd.compress.hard_swish import split_hard_swish
from kerakd.compress.interpreter import LiteRTModel
from kerakd.compress.joins import balance_joins
from kerakd.compress.rounding import round_kernels
from kerakd.compress.sensitivity import find_sensitive, tensors_of
from kerakd.compress.timing import interleaved
from kerakd.errors import ModelError

# Conversions between number formats are no work that could be left in float.
_FORMATS = {"QUANTIZE", "DEQUANTIZE"}
# A candidate is near enough where the mean error of its logits is at most this many
# times the smallest among the candidates, or this small a part of their spread.
_FIDELITY, _HARMLESS = 1.5, 0.02
# A candidate has to be this much faster to displace one that stands before it.
_GAIN = 0.95
_CHECKED = 64


@dataclasses.dataclass
class Candidate:
    """One way to int8, and what was measured on it."""

    backend: str
    rewritten: int
    float_operators: tuple[str, ...]
    content: bytes
    inspection: dict[str, Any]
    mean_error: float
    top1_agreement: float
    all_integer: bool
    milliseconds: float | None = None
    ratio: float | None = None

    @property
    def name(self) -> str:
        """Such as `"converter, HARD_SWISH in float"`."""
        parts = [self.backend]
        if self.rewritten:
            parts.append("hard-swish split")
        if self.float_operators:
            parts.append(f"{', '.join(self.float_operators)} in float")
        return ", ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the file, JSON-able."""
        return {
            "name": self.name,
            "backend": self.backend,
            "rewritten_hard_swishes": self.rewritten,
            "float_operators": list(self.float_operators),
            "all_integer": self.all_integer,
            "bytes": len(self.content),
            "partitions": self.inspection["partitions"],
            "outside_xnnpack": self.inspection["outside_xnnpack"],
            "mean_abs_difference": self.mean_error,
            "top1_agreement": self.top1_agreement,
            "median_ms": self.milliseconds,
            "int8_over_float32": self.ratio,
        }


@dataclasses.dataclass(frozen=True)
class Choice:
    """The int8 flatbuffer that was chosen, and why.

    Attributes:
        content: A signed flatbuffer, int8 in and out.
        report: `backend`, `reason`, `candidates` and `refused`, JSON-able.
        ratio: Its time over that of float32; `None` where nothing was timed.
    """

    content: bytes
    report: dict[str, Any]
    ratio: float | None


def to_int8(
    flatbuffer: bytes,
    images: np.ndarray,
    *,
    backend: str = "auto",
    integer_only: bool = False,
    sensitive: str | Iterable[str] | None = None,
    threads: int = 2,
    seconds: float = 2.0,
    pixels: bool = True,
) -> Choice:
    """Quantise a float32 model so that XNNPACK runs it, and choose by measurement.

    Each back end quantises the model as it is; then the operators that stay outside of
    the XNNPACK delegate are left in float and the model is quantised again, as long as
    the number of partitions falls and the logits stay as near. A model with hard-swish
    is tried with it split into operators that XNNPACK has in int8, too. What is left
    is timed side by side with float32.

    Args:
        flatbuffer: The signed float32 model.
        images: For calibration, float32 `(N, H, W, C)`.
        backend: `"converter"`, `"ai_edge_quantizer"`, or `"auto"` for the better.
        integer_only: Whether no operator may compute in float.
        sensitive: `"auto"` looks for the layers that harm the logits and leaves them in
            float; names of layers leave these in float; excludes `integer_only`.
        threads: CPU threads.
        seconds: For the timing, about.
        pixels: Whether the images are raw pixels, whose bytes the file is to take.

    Raises:
        ModelError: No back end gives a model that LiteRT runs.
    """
    judged = images[np.linspace(0, len(images) - 1, _CHECKED).astype(int)]
    reference = LiteRTModel.from_content(flatbuffer, threads, "the float32 model")
    logits = reference(judged)
    judge = _Judge(judged, logits, threads)
    images = _span_all_pixels(images) if pixels else images
    names = list(BACKENDS) if backend == "auto" else [backend]
    engines = _Engines(images)
    flatbuffer, prepared = _prepared(flatbuffer, images, names[0], judge, engines)
    tensors: tuple[str, ...] = ()
    found = None
    if sensitive == "auto":
        found = find_sensitive(flatbuffer, images, judged, logits)
        tensors = found.tensors
    elif sensitive:
        tensors = tensors_of(flatbuffer, sensitive)
    forms = [(flatbuffer, 0)]
    split, count = split_hard_swish(flatbuffer)
    if count:
        forms.append((split, count))

    candidates: list[Candidate] = []
    refused: dict[str, str] = {}
    for name in names:
        for content, rewritten in forms:
            try:
                engine = engines(name, content)
                first = judge(engine, rewritten, (), tensors)
                candidates.append(first)
                if not integer_only:
                    candidates += _repaired(engine, first, judge, tensors)
            except ModelError as error:
                refused[name + (", hard-swish split" if rewritten else "")] = str(error)
    fitting = [c for c in candidates if c.all_integer or not integer_only]
    if not fitting:
        raise ModelError(_nothing_fits(candidates, refused))
    _time(reference, fitting, threads, seconds)
    chosen, reason = _choose(fitting, judge.harmless)
    report = {
        "backend": chosen.backend,
        "chosen": chosen.name,
        "reason": reason,
        "float_operators": list(chosen.float_operators),
        "float_tensors": sorted(tensors),
        "prepared": prepared,
        "candidates": [candidate.as_dict() for candidate in candidates],
        "refused": refused,
    }
    if found is not None:
        report["sensitive"] = found.as_dict()
    return Choice(chosen.content, report, chosen.ratio)


class _Engines:
    """Quantisers that were calibrated already, by back end and model."""

    def __init__(self, images: np.ndarray):
        self._images = images
        self._made: dict[tuple[str, bytes], Any] = {}

    def __call__(self, name: str, content: bytes) -> Any:
        if (name, content) not in self._made:
            self._made[name, content] = BACKENDS[name](content, self._images)
        return self._made[name, content]


class _Judge:
    """Quantises with an engine and looks at what came out."""

    def __init__(self, images: np.ndarray, logits: np.ndarray, threads: int):
        self._images, self._logits, self._threads = images, logits, threads
        self.harmless = _HARMLESS * float(logits.std())

    def __call__(self, engine, rewritten, operators, tensors) -> Candidate:
        content = engine.quantize(operators, tensors)
        model = LiteRTModel.from_content(content, self._threads, "the int8 model")
        given = model(self._images)
        if not np.isfinite(given).all():
            raise ModelError("The int8 model gives logits that are not finite.")
        inspection = model.operators()
        return Candidate(
            backend=engine.name,
            rewritten=rewritten,
            float_operators=tuple(sorted(operators)),
            content=content,
            inspection=inspection,
            mean_error=float(np.abs(given - self._logits).mean()),
            top1_agreement=float(np.mean(_top(given) == _top(self._logits))),
            all_integer="DEQUANTIZE" not in inspection["operators"],
        )


def _prepared(
    flatbuffer: bytes, images: np.ndarray, name: str, judge: _Judge, engines: _Engines
) -> tuple[bytes, dict[str, Any]]:
    """The float32 model as it loses least, and the mean logit errors of each form.

    As it is, with what concatenations join balanced, and the better of the two with
    kernels rounded so that errors cancel, and with channels scaled first. The user's
    model is not touched: this is its exported graph.
    """
    forms: dict[str, bytes] = {}
    errors: dict[str, float] = {}

    def tell(form: str, content: bytes) -> None:
        # Where a model is refused, the loop over back ends says why.
        with contextlib.suppress(ModelError):
            errors[form] = judge(engines(name, content), 0, (), ()).mean_error
            forms[form] = content

    def best() -> str:
        found = next(iter(errors), "as it is")
        for form, error in errors.items():
            if error < _GAIN * errors[found]:
                found = form
        return found

    tell("as it is", flatbuffer)
    joined, tensors = balance_joins(flatbuffer, images)
    if tensors:
        tell("joins balanced", joined)
    base = best()
    before = "" if base == "as it is" else f"{base}, "
    content = forms.get(base, flatbuffer)
    rounded, layers = round_kernels(content, images)
    if layers:
        tell(f"{before}kernels rounded together", rounded)
    scaled, tensors = equalise(content, images)
    if tensors:
        both, _ = round_kernels(scaled, images)
        tell(f"{before}channels scaled, kernels rounded together", both)
    base = best()
    return forms.get(base, flatbuffer), {
        "chosen": base,
        "mean_abs_difference": errors,
    }


def _repaired(engine, first: Candidate, judge: _Judge, tensors) -> list[Candidate]:
    """Candidates with ever more operators in float, while that helps."""
    found: list[Candidate] = []
    current, operators = first, set()
    while outside := set(current.inspection["outside_xnnpack"]) - _FORMATS - operators:
        trial = judge(engine, first.rewritten, operators | outside, tensors)
        operators |= outside
        limit = max(_FIDELITY * current.mean_error, judge.harmless)
        if trial.mean_error > limit or _pieces(trial) >= _pieces(current):
            break
        found.append(trial)
        current = trial
    return found


def _pieces(candidate: Candidate) -> tuple[int, int]:
    """In how many pieces the model is torn: the fewer, the better."""
    inspection = candidate.inspection
    outside = inspection["outside_xnnpack"]
    # Without a partition everything is outside.
    return (
        inspection["partitions"] or 10**6,
        sum(n for name, n in outside.items() if name not in _FORMATS),
    )


def _time(
    reference: LiteRTModel, candidates: list[Candidate], threads: int, seconds: float
) -> None:
    models = {"float32": reference} | {
        str(number): LiteRTModel.from_content(candidate.content, threads)
        for number, candidate in enumerate(candidates)
    }
    times = interleaved(models, seconds=seconds)
    # The lower quartile: on a busy machine the median tells of its other work.
    base = np.percentile(times["float32"], 25)
    for number, candidate in enumerate(candidates):
        own = times[str(number)]
        candidate.milliseconds = float(np.median(own))
        candidate.ratio = float(np.percentile(own, 25) / base)


def _choose(candidates: list[Candidate], harmless: float) -> tuple[Candidate, str]:
    """The fastest of those whose logits are near, the first of about equal ones."""
    best = min(candidate.mean_error for candidate in candidates)
    near = [c for c in candidates if c.mean_error <= max(_FIDELITY * best, harmless)]
    chosen = near[0]
    for candidate in near[1:]:
        if candidate.ratio < _GAIN * chosen.ratio:
            chosen = candidate
    reason = (
        f"{chosen.ratio:.2f} of float32's time, mean logit error "
        f"{chosen.mean_error:.3g}"
    )
    others = sorted((c for c in candidates if c is not chosen), key=lambda c: c.ratio)
    if others:
        reason += "; others: " + "; ".join(
            f"{c.name}: {c.ratio:.2f}, {c.mean_error:.3g}"
            + ("" if c in near else " (too far off)")
            for c in others
        )
    return chosen, reason + "."


def _span_all_pixels(images: np.ndarray) -> np.ndarray:
    """The same images, with a 0 and a 255 among their pixels.

    The input's scale is then exactly 1, so that raw bytes are what the file takes.
    """
    if images.min() == 0 and images.max() == 255:
        return images
    images = images.copy()
    corner = images[0, 0]
    corner[0], corner[-1] = 0, 255
    return images


def _top(logits: np.ndarray) -> np.ndarray:
    return logits[..., 0] > 0 if logits.shape[-1] == 1 else logits.argmax(-1)


def _nothing_fits(candidates: list[Candidate], refused: dict[str, str]) -> str:
    if candidates:
        kept = sorted({op for c in candidates for op in c.inspection["operators"]})
        return (
            "No back end quantises every operator of this model "
            f"({', '.join(kept)}); allow float operators (integer_only=False)."
        )
    return " ".join(refused.values())

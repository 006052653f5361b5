"""Exported files side by side: `kerakd benchmark model`."""

from kerakd.compress.measuring import benchmark_models, machine

__all__ = ["benchmark_models", "machine"]

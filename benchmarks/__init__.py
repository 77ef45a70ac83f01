"""Benchmarks: `python -m benchmarks` (docs/performance.md explains each figure)."""

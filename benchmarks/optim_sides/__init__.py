"""Sides of `benchmarks/optim_step.py`."""

"""The sides of benchmarks/lab.py."""

"""The sides of `benchmarks/trainer.py`: what is trained, and one process a side that trains it whenever it is its turn."""

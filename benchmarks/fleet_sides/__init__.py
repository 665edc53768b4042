"""The sides of `benchmarks/fleet.py`: what is trained, who trains it, and how fast the machine could be."""

"""The other side of `benchmarks/race.py`, and its judge: scripts of their own, which import nothing of ravine."""

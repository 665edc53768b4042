"""How soon the lab answers while it trains; with Chromium, how smoothly its page draws.

python benchmarks/lab.py
python benchmarks/lab.py --json lab.json
"""

import argparse
import json
import os
import platform
from pathlib import Path

import torch

from lab_sides import answers, drawing

SIDES = {"answers": answers, "drawing": drawing}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the numbers there")
    path = parser.parse_args().json
    found = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count(), "torch": torch.__version__}
    for name, side in SIDES.items():
        found[name] = side.measure()
        for label, value in found[name].items():
            limit = side.LIMITS_MS.get(label)
            print(f"{name:8} {label:20} {value:10.2f}{'' if limit is None else f'  of at most {limit:g} ms'}", flush=True)
    if path is not None:
        path.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

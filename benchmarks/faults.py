"""What the doctor finds: every planted fault beside its healthy twin, and models that are healthy.

    python benchmarks/faults.py [--only WORDS] [--without-models] [--json FILE]

A fault is found if a finding that names its cause is among the first two. A healthy run must have no finding above
information.
"""

import argparse
import json
import platform
import sys
import time
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from doctor import healthy_models
from doctor.faults.fault import severe
from doctor.faults.table import FAULTS

ENOUGH = 0.9
"""Share of faults that must be found."""


def of_fault(fault):
    """One row: what was found, and what the healthy twin has."""
    started = time.process_time()
    found, twin = fault.findings(is_broken=True), severe(fault.findings(is_broken=False))
    return {
        "fault": fault.name,
        "form": fault.form,
        "rank": fault.rank(found),
        "is_found": fault.is_found(found),
        "first": [f"{one.severity}: {one.title}" for one in found[:2]],
        "twin": [f"{one.severity}: {one.title} ({one.measured})" for one in twin],
        "cpu_s": time.process_time() - started,
    }


def of_model(name, make):
    """One row: what a healthy model has."""
    started = time.process_time()
    found = severe(healthy_models.examined(make()))
    return {
        "model": name,
        "findings": [f"{one.severity}: {one.title} ({one.measured})" for one in found],
        "cpu_s": time.process_time() - started,
    }


def shown(row):
    """A row for people."""
    if "model" in row:
        return f"{row['model']:46} {row['cpu_s']:5.1f} s  {'; '.join(row['findings']) or 'nothing'}"
    rank = str(row["rank"]) if row["is_found"] else "MISSED"
    twin = "; ".join(row["twin"]) or "nothing"
    return f"{row['fault']:46} {row['form']:5} {rank:6} {'; '.join(row['first']) or 'nothing'} | twin: {twin}"


def main():
    """Run all, print the table, and say whether it is good enough."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="rows whose name has these words in it")
    parser.add_argument("--without-models", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    faults, models = [], []
    for fault in FAULTS:
        if options.only in fault.name:
            faults.append(of_fault(fault))
            print(shown(faults[-1]), flush=True)
    for name, make in {} if options.without_models else healthy_models.MODELS.items():
        if options.only in name:
            models.append(of_model(name, make))
            print(shown(models[-1]), flush=True)
    found, alarmed = sum(row["is_found"] for row in faults), [row for row in faults if row["twin"]]
    loud = [row for row in models if row["findings"]]
    print(f"\nfound {found} of {len(faults)} faults; findings above information on {len(alarmed)} of {len(faults)} healthy twins")
    print(f"and on {len(loud)} of {len(models)} healthy models")
    if options.json:
        machine = {"torch": torch.__version__, "python": platform.python_version(), "machine": platform.machine()}
        options.json.write_text(json.dumps({"machine": machine, "faults": faults, "models": models}, indent=1))
    return 0 if found >= ENOUGH * len(faults) and not alarmed and not loud else 1


if __name__ == "__main__":
    sys.exit(main())

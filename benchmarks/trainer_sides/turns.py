"""Whose turn it is: the forward of the model that a side trains hands over between two blocks of steps.

The same hook in the same place costs every side the same, and asks nothing of anybody's callbacks.
"""

import gc
import json
import os
import sys
import time

CHECKED_STEPS = 5
"""After so many steps all sides must have moved equally far from the start."""
WARM_UP = 20
"""Steps before the first turn: first allocations, generated code, trainers' own first-step work."""


class Turns:
    """Counts the training forwards of each model made through it, and times the turns of the one that is trained.

    Args:
        block: steps of a turn.
        cores: on which the turns are taken; what comes before them may use any.
        answers: where to say how long a turn took, a line of JSON each; read is from the standard input.
    """

    def __init__(self, block, cores, answers):
        self.block, self.cores, self.answers = block, cores, answers
        self.distance = self.began = None

    def watch(self, model):
        """The model, whose forward counts."""
        inner, count, start, following = model.forward, 0, None, max(WARM_UP, CHECKED_STEPS + 1)

        def forward(*args):
            nonlocal count, start, following
            if model.training:
                if count == 0:
                    start = [p.detach().clone() for p in model.parameters()]
                elif count == CHECKED_STEPS:
                    self.distance = distance(model.parameters(), start)
                if count == following:
                    self.hand_over()
                    following += self.block
                count += 1
            return inner(*args)

        model.forward = forward
        return model

    def hand_over(self):
        """Say how long the turn took and wait for the next; the end of the input is the end."""
        wall, cpu = time.perf_counter(), time.process_time()
        if self.began is None:
            answer = {"distance": self.distance}
            if self.cores:
                os.sched_setaffinity(0, self.cores)
        else:
            answer = {"wall": wall - self.began[0], "cpu": cpu - self.began[1]}
        print(json.dumps(answer), file=self.answers, flush=True)
        if not sys.stdin.readline():
            # Past every trainer's cleaning up, evaluation and saving.
            os._exit(0)
        gc.collect()
        self.began = time.perf_counter(), time.process_time()


def distance(tensors, others):
    """Euclidean, of all together."""
    return sum(float((one - other).double().square().sum()) for one, other in zip(tensors, others, strict=True)) ** 0.5

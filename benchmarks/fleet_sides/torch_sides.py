"""What people write: one model, one step after the other; eager, and with the whole step compiled."""

import time

import torch
from torch.func import functional_call, grad_and_value

from ravine.fleet.data import BatchOrder

LR, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


class Loop:
    """One model on the batches that every side gets.

    Args:
        workload: what is trained.
        model: freshly built, on the device; it is copied.
        order_seed: seed of the order of batches.
    """

    lanes, step_unit = 1, 1

    def __init__(self, workload, model, order_seed):
        self.workload = workload
        self.model = workload.model()
        self.device = next(model.parameters()).device
        self.model.to(self.device).load_state_dict(model.state_dict())
        self.x, self.y = (part.to(self.device) for part in workload.data())
        self.order = BatchOrder(workload.examples, workload.batch, order_seed)
        self.losses = []
        self.setup_s = 0.0

    def batches(self, steps):
        if self.workload.is_full_batch:
            for _ in range(steps):
                yield self.x, self.y
            return
        for rows in self.order.take(steps).to(self.device):
            yield self.x.index_select(0, rows), self.y.index_select(0, rows)

    def curve(self, steps):
        """Losses of the next steps."""
        self.losses = []
        self.run(steps)
        return [float(loss) for loss in self.losses[:steps]]

    def finish(self):
        # Losses are kept as a training loop would that plots them, but not for ever.
        self.losses = self.losses[-100:]
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


class EagerLoop(Loop):
    """Torch's fused Adam."""

    def __init__(self, workload, model, order_seed):
        super().__init__(workload, model, order_seed)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LR, fused=True)

    def run(self, steps):
        for x, y in self.batches(steps):
            self.optimizer.zero_grad()
            loss = self.workload.loss(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            self.losses.append(loss.detach())
        self.finish()


class CompiledLoop(Loop):
    """Forward, backward and Adam in one compiled graph, which changes the parameters in place.

    The bias corrections come in as tensors, so that no step recompiles.
    """

    def __init__(self, workload, model, order_seed):
        super().__init__(workload, model, order_seed)
        self.p = {name: p.detach() for name, p in self.model.named_parameters()}
        self.m, self.v = ({name: torch.zeros_like(p) for name, p in self.p.items()} for _ in range(2))
        self.done = 0
        # Every workload compiles the same method, of which Dynamo would keep a few versions only.
        torch.compiler.reset()
        before = time.perf_counter()
        self.step = torch.compile(self._step, fullgraph=True, dynamic=False)
        # The weights must still be those of every side after the call that compiles.
        kept = {name: p.clone() for name, p in self.p.items()}
        with torch.no_grad():
            self.step(self.p, self.m, self.v, *next(iter(self._first())), torch.zeros(2, device=self.device))
        for name, p in kept.items():
            self.p[name].copy_(p)
            self.m[name].zero_()
            self.v[name].zero_()
        self.setup_s = time.perf_counter() - before

    def _first(self):
        rows = slice(0, self.workload.batch)
        yield self.x[rows].clone(), self.y[rows].clone()

    def _step(self, p, m, v, x, y, scalars):
        def objective(p):
            return self.workload.loss(functional_call(self.model, p, (x,)), y)

        gradient, loss = grad_and_value(objective)(p)
        for name, g in gradient.items():
            m[name].lerp_(g, 1 - BETA1)
            v[name].mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
            p[name].sub_(scalars[0] * m[name] / (v[name].sqrt() * scalars[1] + EPS))
        return loss

    def run(self, steps):
        t = torch.arange(self.done + 1, self.done + steps + 1, dtype=torch.float64)
        scalars = torch.stack([LR / (1 - BETA1**t), (1 - BETA2**t).rsqrt()], 1).float().to(self.device)
        with torch.no_grad():
            for (x, y), row in zip(self.batches(steps), scalars, strict=True):
                self.losses.append(self.step(self.p, self.m, self.v, x, y, row))
        self.done += steps
        self.finish()

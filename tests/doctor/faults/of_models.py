"""Faults of the model, and of the rate that it is trained with."""

import torch
from torch import nn
from torch.nn import functional

from doctor_tasks import healthy, network


class Detached(nn.Module):
    """Features and a head; the features are cut off from the loss."""

    def __init__(self, is_broken):
        super().__init__()
        self.features, self.head, self.is_broken = nn.Sequential(nn.Linear(6, 16), nn.ReLU()), nn.Linear(16, 4), is_broken

    def forward(self, x):
        hidden = self.features(x)
        return self.head(hidden.detach() if self.is_broken else hidden)


def detached_graph(*, is_broken):
    return healthy(lambda: Detached(is_broken))


def frozen_layer(*, is_broken):
    """A freshly drawn layer left frozen by a recipe for fine-tuning."""

    def model():
        made = network()
        for parameter in made[0].parameters():
            parameter.requires_grad = not is_broken
        return made

    return healthy(model)


def one_layer_thrice(*, is_broken):
    """[layer] * 3 where three layers are meant."""

    def model():
        block = nn.Linear(16, 16)
        hidden = [block] * 3 if is_broken else [nn.Linear(16, 16) for _ in range(3)]
        return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), *[nn.Sequential(layer, nn.ReLU()) for layer in hidden], nn.Linear(16, 4))

    return healthy(model)


class Listed(nn.Module):
    """Layers in a list that modules do not look into."""

    def __init__(self, is_broken):
        super().__init__()
        layers = [nn.Linear(6, 16), nn.Linear(16, 16)]
        self.layers, self.head = layers if is_broken else nn.ModuleList(layers), nn.Linear(16, 4)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()
        return self.head(x)


def plain_list(*, is_broken):
    return healthy(lambda: Listed(is_broken))


def strong_dropout(*, is_broken):
    """The share to keep given as the share to drop."""
    share = 0.95 if is_broken else 0.05

    def model():
        first, second = [[nn.Linear(width, 16), nn.ReLU(), nn.Dropout(share)] for width in (6, 16)]
        return nn.Sequential(*first, *second, nn.Linear(16, 4))

    return healthy(model)


def initialised(draw):
    def model():
        made = network()
        for parameter in made.parameters():
            draw(parameter)
        return made

    return model


def zero_weights(*, is_broken):
    return healthy(initialised(nn.init.zeros_) if is_broken else network)


def large_weights(*, is_broken):
    """nn.init.normal_ without std, which is 1."""
    return healthy(initialised(nn.init.normal_) if is_broken else network)


def thirty_sigmoids(*, is_broken):
    widths = [6] + [16] * (30 if is_broken else 1)

    def model():
        hidden = [nn.Sequential(nn.Linear(before, 16), nn.Sigmoid()) for before in widths]
        return nn.Sequential(*hidden, nn.Linear(16, 4))

    return healthy(model)


def small(head):
    """The last layer, so that training begins at the loss of equal shares."""
    nn.init.normal_(head.weight, std=0.02)
    return head


class Block(nn.Module):
    """Part of a deep network: with a norm inside a residual branch, or plain."""

    def __init__(self, is_plain):
        super().__init__()
        self.norm, self.layer, self.is_plain = nn.Identity() if is_plain else nn.LayerNorm(16), nn.Linear(16, 16), is_plain

    def forward(self, x):
        change = self.layer(self.norm(x)).relu()
        return change if self.is_plain else x + change


def fifty_plain_layers(*, is_broken):
    """Neither norms nor residual branches in 50 layers."""

    def model():
        blocks = [Block(is_broken) for _ in range(50)]
        return nn.Sequential(nn.Linear(6, 16), *blocks, nn.Identity() if is_broken else nn.LayerNorm(16), small(nn.Linear(16, 4)))

    return healthy(model), {"seconds": 6.0}


def dead_relus(*, is_broken):
    def model():
        made = network()
        nn.init.constant_(made[0].bias, -10.0 if is_broken else 0.0)
        return made

    return healthy(model)


def tiny_model(*, is_broken):
    """One hidden unit for what is no line: which quarter of a ring a point lies in."""
    width = 1 if is_broken else 32
    return healthy(lambda: nn.Sequential(nn.Linear(6, width), nn.Tanh(), nn.Linear(width, 4)))


class Square(torch.autograd.Function):
    """x * x."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 2 * x * gradient


class WrongSquare(Square):
    """The factor forgotten."""

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return x * gradient


class Squared(nn.Module):
    def __init__(self, is_broken):
        super().__init__()
        self.first, self.last, self.function = nn.Linear(6, 16), small(nn.Linear(16, 4)), WrongSquare if is_broken else Square

    def forward(self, x):
        return self.last(self.function.apply(self.first(x)))


def wrong_backward(*, is_broken):
    return healthy(lambda: Squared(is_broken))


class Clamped(nn.Module):
    """Weights kept small: in place in the forward, or as a copy."""

    def __init__(self, is_broken):
        super().__init__()
        self.net, self.is_broken = network(), is_broken

    def forward(self, x):
        first, last = self.net[0], self.net[2]
        if self.is_broken:
            with torch.no_grad():
                first.weight.mul_(0.9)
        return last(functional.linear(x, first.weight, first.bias).relu())


def weights_edited_in_forward(*, is_broken):
    return healthy(lambda: Clamped(is_broken))


class Dozing(nn.Module):
    """Statistics taken in evaluation mode during the first forward, and the mode left so."""

    def __init__(self, is_broken):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 4))
        self.is_broken = is_broken

    def forward(self, x):
        if self.is_broken:
            self.net.eval()
        return self.net(x)


def eval_in_forward(*, is_broken):
    return healthy(lambda: Dozing(is_broken))


class Fixed(nn.Module):
    """A rule without weights."""

    def forward(self, x):
        return x[:, :4]


def no_parameters(*, is_broken):
    return healthy(Fixed if is_broken else network)


class Mixed(nn.Module):
    """A picture turned by view() where permute() is meant, so that rows mix."""

    def __init__(self, is_broken):
        super().__init__()
        self.net, self.is_broken = nn.Linear(6, 4), is_broken

    def forward(self, x):
        # Time first for what follows, and back.
        turned = x.view(x.shape[1], x.shape[0]) if self.is_broken else x.permute(1, 0)
        return self.net(turned.permute(1, 0))


def rows_mixed_by_view(*, is_broken):
    return healthy(lambda: Mixed(is_broken))


def rate_too_high(*, is_broken):
    return healthy(), {"optimizer": "sgd", "lr": 30.0 if is_broken else 0.3}


def rate_too_low(*, is_broken):
    return healthy(), {"optimizer": "sgd", "lr": 3e-4 if is_broken else 0.3}


class Half(nn.Module):
    """Computes in float16, on inputs of some scale."""

    def __init__(self, scale):
        super().__init__()
        self.net, self.scale = network(), scale

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.float16):
            return self.net(self.scale * x)


def overflow_in_half(*, is_broken):
    """Raw sensor values, which float16 holds, and whose sums it does not."""
    return healthy(lambda: Half(3e4 if is_broken else 1.0))


def underflow_in_half(*, is_broken):
    """An auxiliary loss of small weight, without a scaler: float16 holds none of its gradients."""

    def loss(output, target):
        return functional.cross_entropy(output.float(), target) * (1e-6 if is_broken else 1.0)

    return healthy(lambda: Half(1.0), loss)


class Dropping(nn.Module):
    """Dropout by the function, which knows nothing of eval() by itself."""

    def __init__(self, is_broken):
        super().__init__()
        self.first, self.second, self.is_broken = nn.Linear(6, 32), nn.Linear(32, 4), is_broken

    def forward(self, x):
        hidden = self.first(x).relu()
        return self.second(functional.dropout(hidden, 0.3) if self.is_broken else functional.dropout(hidden, 0.3, self.training))


def dropout_in_evaluation(*, is_broken):
    return healthy(lambda: Dropping(is_broken))


def equal_units(*, is_broken):
    """Every weight at the same number, and the biases at zero."""

    def model():
        made = nn.Sequential(nn.Linear(6, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 4))
        for layer in (made[0], made[2], made[4]) if is_broken else ():
            nn.init.constant_(layer.weight, 0.1)
            nn.init.zeros_(layer.bias)
        return made

    return healthy(model)

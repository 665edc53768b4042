"""Train a small convolutional network of your own on real images: scikit-learn's 1,797 handwritten digits of 8x8 pixels.

python examples/train_images.py [STEPS]
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

import ravine


def make_model() -> nn.Module:
    """Three convolutions with BatchNorm, their mean over the image, one dense layer."""
    layers = []
    for inputs, outputs in ((1, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def make_task() -> ravine.Task:
    """Every fifth image for validation, every fifth for test."""
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32).view(-1, 1, 8, 8) / 16, torch.tensor(y)
    fifth = torch.arange(len(y)) % 5
    train, validation, test = ((x[rows], y[rows]) for rows in (fifth < 3, fifth == 3, fifth == 4))
    return ravine.Task(
        name="digit-images",
        model=make_model,
        train=train,
        validation=validation,
        test=test,
        loss=F.cross_entropy,
        metrics={"accuracy": ravine.metrics.accuracy},
        batch_size=64,
    )


@torch.no_grad()
def mistakes(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> list[tuple[int, int]]:
    """What each wrongly read image is, and what it was taken for."""
    read = model(x).argmax(-1)
    return [(int(digit), int(taken)) for digit, taken in zip(y, read, strict=True) if digit != taken]


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    task = make_task()
    # Images shifted by up to a pixel, averaged weights, and those of the evaluation with the best accuracy.
    trained = ravine.train(task, steps=steps, lr=3e-3, augment="crop=1", ema=0.98, monitor="accuracy", patience=10)
    for values in trained.history.evaluations[::5]:
        print(f"step {values['step']:4d}   validation loss {values['loss']:.4f}   accuracy {values['accuracy']:.4f}")
    print(f"test accuracy {trained.metrics['test']['accuracy']:.4f} with the weights of step {trained.best_step}")
    print("mistaken:", ", ".join(f"{digit} for {taken}" for digit, taken in mistakes(trained.model, *task.data.test)) or "none")

"""Transforms, each held to what it says, on tensors small enough to see."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import ravine
from ravine.base.errors import InputError, TaskError, UnknownNameError
from ravine.trainer import Crop, CutMix, Flip, MaskTokens, Mixup, Smooth
from ravine.trainer.augmentation import REGISTRY, create


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(rows=64, channels=2, height=5, width=7):
    return torch.rand(rows, channels, height, width, generator=generator(9)) + 1.0


TOKENS = torch.arange(1, 101).expand(20, 100)
BATCHES = {
    "crop": (Crop(2), (images(), torch.zeros(64))),
    "flip": (Flip(), (images(), torch.zeros(64))),
    "smooth": (Smooth(0.2, 3), (torch.zeros(6, 2), torch.tensor([0, 1, 2, 0, 1, 2]))),
    "mixup": (Mixup(0.4, 3), (torch.rand(6, 2), torch.tensor([0, 1, 2, 0, 1, 2]))),
    "cutmix": (CutMix(1.0, 3), (images(6), torch.tensor([0, 1, 2, 0, 1, 2]))),
    "mask": (MaskTokens(0.3), (TOKENS, TOKENS)),
}


@pytest.mark.parametrize(("transform", "batch"), BATCHES.values(), ids=BATCHES)
def test_a_transform_depends_on_the_generator_alone_and_writes_into_nothing(transform, batch):
    kept = [part.clone() for part in batch]
    one, again = transform(batch, generator(1)), transform(batch, generator(1))
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(batch, kept, strict=True))
    if transform.name != "smooth":
        assert not torch.equal(one[0], transform(batch, generator(2))[0])
    assert transform.name in str(transform)


def test_there_is_a_case_for_every_transform():
    assert BATCHES.keys() == REGISTRY.keys()


@pytest.mark.parametrize("shape", [(64, 2, 5, 7), (64, 5, 7)])
def test_a_crop_is_the_image_moved_with_zeros_around(shape):
    given = torch.rand(shape, generator=generator(3)) + 1.0
    moved, target = Crop(2)((given, torch.arange(64)), generator())
    assert moved.shape == given.shape
    assert torch.equal(target, torch.arange(64))
    padded, seen = F.pad(given, (2, 2, 2, 2)), set()
    for row in range(64):
        places = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(moved[row], padded[row][..., top : top + 5, left : left + 7])
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) > 10, "every row has a place of its own"


def test_half_of_the_images_are_mirrored():
    given = images(400)
    flipped, _ = Flip()((given, torch.zeros(400)), generator())
    is_flipped = [torch.equal(a, b.flip(-1)) for a, b in zip(flipped, given, strict=True)]
    assert all(new or torch.equal(a, b) for new, a, b in zip(is_flipped, flipped, given, strict=True))
    assert 150 < sum(is_flipped) < 250


def test_smoothing_is_torchs():
    logits, target = torch.randn(8, 4, generator=generator()), torch.arange(8) % 4
    _, shares = Smooth(0.3, 4)((logits, target), generator())
    torch.testing.assert_close(F.cross_entropy(logits, shares), F.cross_entropy(logits, target, label_smoothing=0.3))


def test_a_mixture_mixes_inputs_and_targets_alike():
    x, y = torch.arange(12.0).view(6, 2), torch.tensor([0, 1, 2, 0, 1, 2])
    mixed, target = Mixup(1.0, 3)((x, y), generator(4))
    assert torch.allclose(target.sum(1), torch.ones(6))
    # Rows hold their number: what was mixed, and by how much, can be read off.
    order = torch.empty(6)
    share = _share(generator(4))
    order = torch.randperm(6, generator=_after_gamma(4))
    torch.testing.assert_close(mixed, share * x + (1 - share) * x[order])
    torch.testing.assert_close(target, share * F.one_hot(y, 3).float() + (1 - share) * F.one_hot(y, 3).float()[order])


def _share(drawn):
    one, two = torch._standard_gamma(torch.ones(2, dtype=torch.float64), generator=drawn).tolist()
    return one / (one + two)


def _after_gamma(seed):
    drawn = generator(seed)
    torch._standard_gamma(torch.ones(2, dtype=torch.float64), generator=drawn)
    return drawn


def test_shares_of_mixtures_have_the_beta_distribution():
    shares = torch.tensor([Mixup(0.5)((torch.eye(2), torch.eye(2)), generator(seed))[0].max() for seed in range(400)])
    assert shares.mean() == pytest.approx(0.909, abs=0.02), "max(w, 1 - w) is 1/2 + 1/pi on average, and half the orders move nothing"


def test_a_cut_is_a_rectangle_whose_area_is_the_targets_share():
    given, y = torch.zeros(3, 1, 8, 8) + torch.arange(3.0).view(3, 1, 1, 1), torch.arange(3)
    cut = 0
    for seed in range(30):
        mixed, target = CutMix(1.0, 3)((given, y), generator(seed))
        for row in range(3):
            other = (mixed[row, 0] != row).nonzero()
            if len(other):
                cut += 1
                height, width = (other.max(0).values - other.min(0).values + 1).tolist()
                assert height * width == len(other), "one rectangle"
                assert float(target[row, row]) == pytest.approx(1 - len(other) / 64)
    assert cut > 20


def test_masked_tokens_become_zero_and_targets_stay():
    hidden, target = MaskTokens(0.3)((TOKENS, TOKENS), generator())
    assert torch.equal(target, TOKENS)
    assert set(torch.unique(hidden[hidden != TOKENS]).tolist()) == {0}
    assert float((hidden == 0).float().mean()) == pytest.approx(0.3, abs=0.04)


def test_text_becomes_transforms_that_know_the_tasks_classes():
    found = create("smooth=0.2, mixup", ravine.tasks.load("digits"))
    assert found == (Smooth(0.2, 10), Mixup(0.2, 10))
    assert create([Smooth(0.2)], ravine.tasks.load("digits")) == (Smooth(0.2, 10),)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("flipp", r"no transform is called 'flipp'; did you mean 'flip'\?"),
        ("flip=2", r"augment='flip=2': flip takes no value\. Write 'flip'\."),
        ("mask=x", r"augment='mask=x': must be a number after '='\. Write it like mask=0\.15\."),
        ("crop=x", r"augment='crop=x': must be a whole number after '='\. Write it like crop=4\."),
        ("crop=0", r"crop=0: must be a whole number, at least 1"),
        (" , ", r"augment=' , ' names no transform\. Give some of crop, flip, smooth, mixup, cutmix, mask, or leave it out\."),
        ("smooth=1.5", r"smooth=1\.5: must be at least 0 and below 1"),
    ],
)
def test_bad_text_is_one_sentence(text, sentence):
    with pytest.raises((InputError, UnknownNameError), match=sentence):
        create(text, ravine.tasks.load("digits"))


def test_what_a_batch_cannot_take_is_said():
    digits = ravine.tasks.load("digits")
    for name in ("crop", "flip", "cutmix"):
        said = (
            rf"{name} needs images, floats of shape .*, and the input has torch\.float32 of shape \(1079, 64\)\. Leave it out, or train on"
        )
        with pytest.raises(TaskError, match=said):
            create(name, digits)
    with pytest.raises(InputError, match=r"crop=5: must be a whole number, at least 1 and at most 4\. The images have 5 x 7 pixels\."):
        Crop(5).check((images(),))
    Crop(4).check((images(),))
    with pytest.raises(TaskError, match=r"mask needs tokens, integers of shape \(B, T\), and the input has torch\.float32 of shape"):
        create("mask", digits)
    tokens = TOKENS, TOKENS
    text = ravine.Task("text", lambda: nn.Embedding(200, 3), tokens, tokens, lambda output, target: output.sum())
    with pytest.raises(
        TaskError, match=r"mixup mixes numbers, and the input has torch\.int64 .*\. Leave it out; for tokens there is mask\."
    ):
        create("mixup", text)
    with pytest.raises(TaskError, match=r"cutmix needs images"):
        create("cutmix", text)
    assert create("mask", text) == (MaskTokens(0.15),)
    pair = torch.zeros(8, 2), torch.zeros(8, dtype=torch.int64)

    def own_loss(output, target):
        return F.cross_entropy(output, target)

    own = ravine.Task("own-loss", lambda: nn.Linear(2, 3), pair, pair, own_loss)
    with pytest.raises(
        InputError, match=r"smooth turns classes into shares, which only torch's cross entropy takes, and the loss is own_loss\. Use"
    ):
        ravine.train(own, steps=2, augment="smooth")
    stepped = ravine.Task("step", lambda: nn.Linear(2, 3), pair, pair, step=lambda model, batch: F.cross_entropy(model(batch[0]), batch[1]))
    with pytest.raises(InputError, match=r"the task has a step of its own"):
        ravine.train(stepped, steps=2, augment="flip")


def test_numbers_as_targets_can_be_mixed():
    trained = ravine.train("line", steps=3, augment="mixup=0.3")
    assert trained.history.loss[0] != ravine.train("line", steps=3).history.loss[0]

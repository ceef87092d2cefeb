"""What the command `keras-efficient train` makes of its options: stages and training data."""

from keras_efficient.datasets import augment
from keras_efficient.training.halving import Halving
from keras_efficient.training.stage import Stage

_MODES = ("float", "learn_scales", "freeze_scales")


def stage_settings(trials, epochs):
    """(mode, trials, epochs) of the stages that have trials."""
    counts, lengths = integers_option(trials, "--trials"), integers_option(epochs, "--epochs")
    for name, values in (("--trials", counts), ("--epochs", lengths)):
        if len(values) != len(_MODES):
            raise ValueError(f"`{name}` must be three numbers, for {', '.join(_MODES)}. Received: {values}")
    if not any(counts):
        raise ValueError(f"`--trials` must leave at least one stage with trials. Received: {trials}")
    return [stage for stage in zip(_MODES, counts, lengths, strict=True) if stage[1] != 0]


def halving_option(text, settings):
    """What `--halving` says, such as 5 or 5,3."""
    if text is None:
        return None
    numbers = integers_option(text, "--halving")
    if len(numbers) > 2:
        raise ValueError(f"`--halving` must be one or two numbers, such as 5 or 5,3. Received: {text!r}")
    if settings[0][0] != "float":
        raise ValueError(f"`--halving` is for float trials, and `--trials` leaves them out. Received: {text!r}")
    return Halving(*numbers)


def make_stages(settings, batch_size, samples, distillation=None, halving=None, **options):
    """The stages; the float trials teach the quantized ones, and may be stopped early."""
    if batch_size is None:
        batch_size = max(1, min(1024, samples // 16))
    own = {mode: {"distillation": distillation} for mode in _MODES} | {"float": {"halving": halving}}
    return [Stage(mode, *numbers, batch_size=batch_size, **own[mode], **options) for mode, *numbers in settings]


def augmented(images, copies, seed):
    """The arrays of a run: images with elastic copies, and the validation data."""
    if copies < 0:
        raise ValueError(f"`--augment` must be zero or positive. Received: {copies}")
    if not copies:
        return images.arrays()
    x, y = augment(images.x_train, images.y_train, copies, seed)
    return (x, y, *images.arrays()[2:])


def integers_option(text, option):
    """Whole numbers with commas between, as a tuple."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"`{option}` must be whole numbers with commas between. Received: {text!r}") from None

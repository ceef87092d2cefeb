"""Attention transfer: a student learns where its teacher looks."""

from collections.abc import Sequence
from typing import Any, Self

import keras
from keras import ops

from keras_efficient.checks import nearest, non_negative_number
from keras_efficient.networks import stage_names
from keras_efficient.reading import read_model
from keras_efficient.type_aliases import Config, Tensor

Pair = tuple[str, str]


@keras.saving.register_keras_serializable(package="keras_efficient")
class AttentionTransfer(keras.Model):
    """A student that is trained on labels and on the attention of a teacher. Use it by `compile` and `fit`.

        loss = compiled loss + beta sum_j mean((q(S_j) - q(T_j))^2)
        q(A) = f / |f|_2,    f_i = mean_c A_ic^2

    S_j and T_j are the outputs of the j-th pair of layers, q is the attention map of a sample: one
    number f_i for each place i of a feature map, made of all its channels c, and the mean goes over
    places and samples. The second term belongs to training: `evaluate` and validation give the
    compiled loss alone, `predict` the student's outputs.

    The student is trained in place: `student.save(path)` gives a plain model. The teacher runs as in
    inference and stays as it is.

    Source: Zagoruyko & Komodakis, "Paying More Attention to Attention", ICLR 2017, as their program
    computes it (means instead of sums, beta 1000).

    Args:
        student: Functional or Sequential model.
        teacher: The same; takes the same inputs.
        layers: Names of layers of both models, or pairs (of the student, of the teacher), whose outputs
            (batch, rows, columns, channels) have the same rows and columns; the channels may differ.
            None: the ends of the stages of two reference architectures.
        beta: Weight of the attention.
        **kwargs: `name` and `dtype`, as of any Keras model.

    Raises:
        TypeError: If student or teacher is no built Functional or Sequential model with one output.
        ValueError: If a layer is missing, no image or of another size than its partner.

    Example:

    >>> teacher = networks.wide_resnet(16, 2)
    >>> student = networks.wide_resnet(16, 2, convolution=networks.acdc_convolution())
    >>> pair = AttentionTransfer(student, teacher)
    >>> pair.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Model,
        layers: Sequence[str | Pair] | None = None,
        beta: float = 1000.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for name, model in (("student", student), ("teacher", teacher)):
            if not isinstance(model, keras.Model) or len(getattr(model, "outputs", None) or ()) != 1:
                raise TypeError(
                    f"`{name}` must be a built Functional or Sequential model with one output. "
                    f"Received: {name}={model!r}"
                )
        self.student, self.teacher = student, teacher
        self.pairs = _pairs_of(layers, student, teacher)
        self.beta = non_negative_number(beta, "beta")
        maps = [[_output(model, pair[k]) for pair in self.pairs] for k, model in enumerate((student, teacher))]
        for pair, one, other in zip(self.pairs, *maps, strict=True):
            if len(one.shape) < 3 or one.shape[1:-1] != other.shape[1:-1]:
                raise ValueError(
                    "Both of a pair in `layers` must give feature maps (batch, rows, columns, channels) of the same "
                    f"rows and columns. Received: {pair[0]!r} of the student with {tuple(one.shape)}, {pair[1]!r} of "
                    f"the teacher with {tuple(other.shape)}"
                )
        self._student_parts = keras.Model(_one_or_all(student.inputs), [*student.outputs, *maps[0]])
        self._teacher_parts = keras.Model(_one_or_all(teacher.inputs), maps[1])
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        outputs, *maps = self._student_parts(inputs, training=training)
        if training:
            self.add_loss(self.beta * self._distance(maps, inputs))
        return outputs

    def attention_loss(self, x: Tensor) -> float:
        """The sum over the pairs, without beta, of the student as in inference on the samples x."""
        x = ops.convert_to_tensor(x)
        return float(ops.convert_to_numpy(self._distance(self._student_parts(x, training=False)[1:], x)))

    def _distance(self, maps, inputs):
        targets = keras.tree.flatten(self._teacher_parts(inputs, training=False))
        return sum(
            ops.mean(ops.square(attention_map(one) - ops.stop_gradient(attention_map(other))))
            for one, other in zip(maps, targets, strict=True)
        )

    # What trains is the student, whatever the layers of the teacher say of themselves.

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        return self.student.trainable_variables

    @property
    def trainable_weights(self) -> list[keras.Variable]:
        return self.student.trainable_weights

    @property
    def non_trainable_variables(self) -> list[keras.Variable]:
        return _without(self.variables, self.trainable_variables)

    @property
    def non_trainable_weights(self) -> list[keras.Variable]:
        return _without(self.weights, self.trainable_weights)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "student": keras.saving.serialize_keras_object(self.student),
            "teacher": keras.saving.serialize_keras_object(self.teacher),
            "layers": self.pairs,
            "beta": self.beta,
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: dict[str, Any] | None = None) -> Self:
        models = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects=custom_objects)
            for name in ("student", "teacher")
        }
        return cls(**{**config, **models})


def attention_map(features: Tensor) -> Tensor:
    """Where a layer looks: (batch, ..., channels) -> float32 (batch, places), rows of norm 1 (or all zeros)."""
    features = ops.cast(features, "float32")
    energy = ops.mean(ops.square(features), axis=-1)
    return ops.normalize(ops.reshape(energy, (ops.shape(energy)[0], -1)), axis=-1, order=2)


def _pairs_of(layers: Sequence[str | Pair] | None, student: keras.Model, teacher: keras.Model) -> list[Pair]:
    if layers is None:
        names = [stage_names(model) for model in (student, teacher)]
        if not names[0] or names[0] != names[1]:
            raise ValueError(
                "`layers` must be given, unless student and teacher are reference architectures of as many stages. "
                f"Received: layers=None, stages {names[0]} of the student and {names[1]} of the teacher"
            )
        layers = names[0]
    given = layers if isinstance(layers, (list, tuple)) else ()
    pairs = [(each, each) if isinstance(each, str) else tuple(each) for each in given]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"`layers` must hold names or pairs of names, at least one. Received: layers={layers!r}")
    return [(one, other) for one, other in pairs]


def _output(model, name):
    nodes = read_model(model, inner=False).operations
    found = [node.outputs[0].tensor for node in nodes if node.name == name]
    if not found:
        known = [node.name for node in nodes]
        raise ValueError(
            f"Model '{model.name}' has no layer {name!r} in `layers`{nearest(name, known)}. Its layers are: "
            f"{', '.join(known)}"
        )
    return found[0]


def _one_or_all(tensors):
    return tensors[0] if len(tensors) == 1 else tensors


def _without(variables, others):
    ids = {id(variable) for variable in others}
    return [variable for variable in variables if id(variable) not in ids]

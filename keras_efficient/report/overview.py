"""What was chosen, in one sentence and four numbers; the network; how to get it again."""

from keras_efficient.markup import Html, details, join, paragraph, section, tag
from keras_efficient.report import numbers
from keras_efficient.report.objective import Objective


def page_title(result: dict) -> str:
    """A line that tells one report from another: data, bytes, accuracy (or what the run chose by)."""
    best, objective = result["best"], Objective.of(result)
    parts = [(result.get("dataset") or {}).get("name") or "A trained network"]
    if numbers.is_number(best.get("total_bytes")):
        parts.append(f"{numbers.size(best['total_bytes'])} bytes")
    for part, data in (("test", "test"), ("val", "validation")):
        value = objective.value(best, part)
        if numbers.is_number(value):
            name = "" if "accuracy" in objective.name else f"{objective.words} "
            return ", ".join([*parts, f"{name}{objective.text(value)} on {data} data"])
    return ", ".join(parts)


def overview(result: dict) -> Html:
    """Title, headline sentence, cards, and why two of the cards differ."""
    cards = tag("div", *_cards(result), class_="cards")
    headline = tag("p", *_headline(result), class_="lead")
    objective = Objective.of(result)
    optimism = paragraph(
        f"A validation {objective.words} that won a selection is optimistic: part of it is luck on these very ",
        "samples. ",
        "The expected accuracy draws it towards the mean of its stage's trials, by the share of their spread that is "
        "sampling noise. "
        if objective.is_accuracy
        else "",
        "Test data played no part in any choice.",
    )
    return join(tag("h1", page_title(result)), headline, cards, optimism)


def _headline(result: dict) -> list[object]:
    best, stages = result["best"], result["stages"]
    trials = numbers.plural(sum(len(stage["trials"]) for stage in stages), "trial")
    index, mode = best.get("stage"), None
    if isinstance(index, int) and 0 <= index < len(stages):
        mode = stages[index].get("mode")
    choice = f"trial {numbers.setting(best.get('trial'))} of stage "
    return [
        f"Chosen from {trials} in {numbers.plural(len(stages), 'stage')}: ",
        tag("strong", choice + numbers.setting(index)),
        f" ({mode or 'unknown mode'}), stored as ",
        tag("code", best.get("path") or numbers.DASH),
        ".",
    ]


def _card(label: str, value: str, explanation: str, class_: str = "card") -> Html:
    parts = tag("span", label, class_="label"), tag("b", value), tag("span", explanation)
    return tag("div", *parts, class_=class_)


def _bytes_card(best: dict) -> Html:
    if not numbers.is_number(best.get("total_bytes")):
        unknown = best.get("storage_reason") or "the model has layers without a known price"
        return _card("Bytes", numbers.DASH, f"unknown: {unknown}")
    weights, activations = best.get("weight_bytes"), best.get("activation_bytes")
    parts = f"{numbers.size(weights)} weights + {numbers.size(activations)} activations"
    return _card("Bytes", numbers.size(best["total_bytes"]), parts, "card main")


def _cards(result: dict) -> list[Html]:
    best, data, objective = result["best"], result.get("dataset") or {}, Objective.of(result)
    validation, test = _samples(data.get("validation"), best.get("val_loss")), objective.value(best, "test")
    cards = [
        _bytes_card(best),
        _card(f"Validation {objective.words}", objective.text(objective.value(best)), validation),
    ]
    if objective.is_accuracy:
        known = numbers.is_number(best.get("expected_accuracy"))
        explanation = "what to expect on new data" if known else "no estimate for this choice"
        cards.append(_card("Expected accuracy", numbers.percent(best.get("expected_accuracy")), explanation))
    if numbers.is_number(test):
        measured = _samples(data.get("test"), best.get("test_loss"))
        return [*cards, _card(f"Test {objective.words}", objective.text(test), measured, "card main")]
    return [*cards, _card(f"Test {objective.words}", numbers.DASH, "not measured: the run had no test data")]


def _samples(number: int | None, loss: float | None) -> str:
    counted = f"{numbers.count(number)} samples, " if numbers.is_number(number) else ""
    return f"{counted}loss {numbers.loss(loss)}"


def footer(result: dict) -> Html:
    """When the run ended, and with which release."""
    release = (result.get("versions") or {}).get("keras_efficient")
    made = f"keras_efficient {release}" if release else "keras_efficient"
    ended = f", run finished {result['finished_date']}" if result.get("finished_date") else ""
    return tag("footer", f"Made by {made}{ended}. This page loads nothing from elsewhere.")


MANY_ITEMS = 40  # a network of more items is folded
WORDS = {
    "A": "average pooling",
    "M": "max pooling",
    "C": "convolution",
    "CN": "linear convolution",
    "T": "depthwise convolution",
    "DSC": "separable convolution",
    "R": "residual block",
    "F": "dense",
    "S": "dense, linear",
    "Q": "quantizer",
    "N": "noise",
    "D": "dropout",
}


def network(result: dict) -> Html:
    """The description, item by item, below the shape of the input."""
    shape, classes = result.get("input_shape"), result.get("classes")
    entry = f"Input: {' × '.join(map(str, shape))}. " if shape else ""
    items, ends = result.get("network"), entry + (f"Classes: {classes}. " if classes else "")
    if not items:
        unknown = "A builder function made the model, so there is no description to show."
        return section("The network", paragraph(ends + unknown))
    chain = tag("ol", *map(_item, items), class_="chain")
    if len(items) > MANY_ITEMS:
        chain = details(f"Show all {len(items)} items", chain)
    return section("The network", paragraph(ends), chain)


def _item(item: object) -> Html:
    if isinstance(item, dict):  # a Keras layer object
        return tag("li", item.get("class_name", "layer"), tag("code", "Keras layer"))
    if not isinstance(item, list) or not item:
        return tag("li", tag("code", item))
    return tag("li", WORDS.get(str(item[0]), item[0]), tag("code", " ".join(map(str, item))))


STAGE_SETTINGS = ["epochs", "learning_rate", "decay", "batch_size"]
CALL = """import keras_efficient as ke

{network}
stages = [
{stages}
]
selection = ke.train_network(network, data, stages, "directory", rule={rule!r}, seed={seed!r})
"""


def reproduction(result: dict) -> Html:
    """Seed, rule, data and versions, and the call that used them."""
    facts = [join(tag("dt", name), tag("dd", value)) for name, value in _facts(result)]
    promise = paragraph("The same data, settings, seed and versions give the same network.")
    call = tag("pre", tag("code", python_call(result)))
    remark = paragraph("Stage settings that result.json does not hold, such as the optimizer, are left out here.")
    folded = details("The same run from Python", call, remark)
    return section("How to reproduce", tag("dl", *facts), promise, folded)


def _facts(result: dict) -> list[tuple[str, str]]:
    versions = (result.get("versions") or {}).items()
    data = result.get("dataset") or {}
    parts = [part for part in ("train", "validation", "test") if numbers.is_number(data.get(part))]
    sizes = ", ".join(f"{numbers.count(data[part])} {part}" for part in parts)
    return [
        ("Data", ": ".join(filter(None, [data.get("name"), sizes])) or numbers.DASH),
        ("Seed", numbers.setting(result.get("seed"))),
        ("Selection rule", numbers.setting(result.get("rule"))),
        ("Backend", numbers.setting(result.get("backend"))),
        ("Versions", ", ".join(f"{name} {version}" for name, version in versions) or numbers.DASH),
    ]


def python_call(result: dict) -> str:
    """The call of `train_network` with what result.json records."""
    items = result.get("network")
    lines = ["network = [", *(f"    {item!r}," for item in items), "]"] if items else []
    return CALL.format(
        network="\n".join(lines) or "network = build_model  # your builder function",
        stages="\n".join(f"    {_stage_call(stage)}," for stage in result["stages"]),
        rule=result.get("rule") or "score",
        seed=result.get("seed") or 0,
    )


def _stage_call(stage: dict) -> str:
    settings = [f"{key}={stage[key]!r}" for key in STAGE_SETTINGS if stage.get(key) is not None]
    arguments = [repr(stage.get("mode")), f"trials={len(stage['trials'])}", *settings]
    return f"ke.Stage({', '.join(arguments)})"

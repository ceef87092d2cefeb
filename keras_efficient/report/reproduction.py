"""How to get the same network again."""

from keras_efficient.report import numbers
from keras_efficient.report.markup import Html, details, join, paragraph, section, tag

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
    return [
        ("Data", _data(result.get("dataset") or {})),
        ("Seed", numbers.setting(result.get("seed"))),
        ("Selection rule", numbers.setting(result.get("rule"))),
        ("Backend", numbers.setting(result.get("backend"))),
        ("Versions", ", ".join(f"{name} {version}" for name, version in versions) or numbers.DASH),
    ]


def _data(data: dict) -> str:
    parts = [part for part in ("train", "validation", "test") if numbers.is_number(data.get(part))]
    sizes = ", ".join(f"{numbers.count(data[part])} {part}" for part in parts)
    return ": ".join(filter(None, [data.get("name"), sizes])) or numbers.DASH


def python_call(result: dict) -> str:
    """The call of `train_network` with what result.json records."""
    return CALL.format(
        network=_network_lines(result.get("network")),
        stages="\n".join(f"    {_stage_call(stage)}," for stage in result["stages"]),
        rule=result.get("rule") or "score",
        seed=result.get("seed") or 0,
    )


def _stage_call(stage: dict) -> str:
    settings = [f"{key}={stage[key]!r}" for key in STAGE_SETTINGS if stage.get(key) is not None]
    arguments = [repr(stage.get("mode")), f"trials={len(stage['trials'])}", *settings]
    return f"ke.Stage({', '.join(arguments)})"


def _network_lines(network: list | None) -> str:
    if not network:
        return "network = build_model  # your builder function"
    return "\n".join(["network = [", *(f"    {item!r}," for item in network), "]"])

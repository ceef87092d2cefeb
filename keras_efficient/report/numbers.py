"""Numbers as people read them. A number that is missing or not finite becomes a dash."""

import math
from typing import TypeGuard

DASH = "–"


def is_number(value: object) -> TypeGuard[int | float]:
    """True for a float that is finite, or an int that a float can hold."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an int of hundreds of digits
        return False


def percent(value: float | None, decimals: int = 2) -> str:
    """0.9909 -> '99.09 %'."""
    return f"{100 * value:.{decimals}f} %" if is_number(value) else DASH


def percent_over_seeds(mean: float | None, spread: float | None) -> str:
    """(0.9804, 0.0007) -> '98.04 ± 0.07 %': a mean with its standard deviation, where there is one."""
    return f"{100 * mean:.2f} ± {100 * spread:.2f} %" if is_number(mean) and is_number(spread) else percent(mean)


def loss(value: float | None) -> str:
    """0.03352 -> '0.0335'."""
    return f"{value:.4f}" if is_number(value) else DASH


def signed(value: float | None, decimals: int = 2) -> str:
    """-0.3 -> '−0.30', with the minus sign that is as wide as a digit."""
    if not is_number(value):
        return DASH
    rounded = round(value, decimals) + 0.0  # the sum turns -0.0 into 0.0
    return f"{rounded:.{decimals}f}".replace("-", "−")


def size(value: float | None) -> str:
    """1947.0 -> '1,947' and 434.5 -> '434.5': tenths only where there are any."""
    if not is_number(value):
        return DASH
    rounded = round(value, 1)
    return f"{int(rounded):,}" if rounded == int(rounded) else f"{rounded:,.1f}"


def count(value: float | None) -> str:
    """94928 -> '94,928'."""
    return f"{value:,.0f}" if is_number(value) else DASH


def duration(seconds: float | None) -> str:
    """75 -> '1 min 15 s'."""
    if not is_number(seconds):
        return DASH
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def setting(value: object) -> str:
    """A learning rate or another setting as it was typed: 0.005 -> '0.005', None -> a dash."""
    if isinstance(value, float):
        return f"{value:g}" if math.isfinite(value) else DASH
    return DASH if value is None else str(value)


def plural(number: int, noun: str) -> str:
    """(1, 'trial') -> '1 trial', (3, 'trial') -> '3 trials'."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"

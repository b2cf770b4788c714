"""Rates as people type them."""

import click
import pytest

from cli.rates import RATE


@pytest.mark.parametrize(
    ("typed", "rate"),
    [
        ("20M", 20_000_000),
        ("20m", 20_000_000),
        ("500k", 500_000),
        ("500K", 500_000),
        ("1.5M", 1_500_000),
        ("0.05m", 50_000),
        ("123.456789k", 123_456),
        ("2G", 2_000_000_000),
        ("50000", 50_000),
        (" 20M ", 20_000_000),
        ("0", 0),
        ("0.0k", 0),
        ("none", 0),
        ("None", 0),
        ("ninguno", 0),
    ],
)
def test_a_rate_is_decimal_bytes_a_second(typed: str, rate: int) -> None:
    assert RATE.convert(typed, None, None) == rate


@pytest.mark.parametrize(
    "typed",
    [
        *("", "k", "M20", "20MB", "20Mb", "20M/s", "20 M", "2 0M", "1,5M", "1.M", ".5M"),
        *("-20M", "+20M", "1e6", "0x10000", "inf", "nan", "\u0662\u0660M", "20T", "9" * 13 + "G"),
        *("49k", "49999.999", "0.1", "1", "0.049M", "9223372036.854775808G", "999999999999G"),
    ],
)
def test_what_is_no_rate_or_too_low_is_refused_with_what_is_allowed(typed: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        RATE.convert(typed, None, None)

    assert repr(typed) in refused.value.message
    assert "at least 50k" in refused.value.message

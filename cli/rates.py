"""Rates as people type them, and the options that take one."""

import re
from decimal import Decimal
from gettext import gettext as _
from typing import Final

import click

from peer_service.limits import LEAST_LIMIT

_FORM: Final = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)([kmg]?)", re.ASCII | re.IGNORECASE)
_FACTORS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_NO_LIMIT: Final = ("none", "ninguno")
_MOST: Final = (1 << 63) - 1  # what can be told to a peer


class Rate(click.ParamType[int]):
    """Bytes a second, decimal: ``20M``, ``500k``, ``1.5G``; 0 or ``none`` for no limit."""

    name = "rate"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The bytes a second; 0 for no limit.

        Raises:
            click.BadParameter: it is no rate, too low to be kept, or too high to be told.
        """
        text = str(value).strip().lower()
        if text in _NO_LIMIT:
            return 0
        form = _FORM.fullmatch(text)
        rate = Decimal(form[1]) * _FACTORS[form[2]] if form else None
        if rate is None or 0 < rate < LEAST_LIMIT or rate > _MOST:
            self.fail(
                _(
                    "{value!r} is not a rate: it is bytes a second, at least 50k, such as 500k, "
                    "20M or 1.5G; 'none' is no limit."
                ).format(value=str(value)),
                param,
                ctx,
            )
        return int(rate)


RATE: Final = Rate()

upload_limit_option = click.option(
    "--upload-limit",
    metavar=_("RATE"),
    type=RATE,
    help=_("The most to send in all, in bytes a second, such as 500k or 20M; 'none': no limit."),
)
download_limit_option = click.option(
    "--download-limit",
    metavar=_("RATE"),
    type=RATE,
    help=_("The most to receive in all, in bytes a second, such as 500k or 20M; 'none': no limit."),
)

"""Every class of error, with fields as its docstring names them."""

import re
from collections.abc import Iterator

from videoteca_core.errors import VideotecaError

_NUMBERS = {"retry_after_seconds": "7"}


def error_kinds(root: type[VideotecaError] = VideotecaError) -> Iterator[type[VideotecaError]]:
    """The classes of errors.py that are raised: those that have a reason of their own."""
    for kind in root.__subclasses__():
        if "reason" in vars(kind) and kind.__module__ == VideotecaError.__module__:
            yield kind
        yield from error_kinds(kind)


def sample_fields(kind: type[VideotecaError]) -> dict[str, str]:
    """A value for each field that the docstring of the class lists."""
    listed = re.search(r"Fields: (.*)\.$", kind.__doc__ or "", re.MULTILINE)
    names = re.sub(r"\(.*?\)", "", listed[1]).split(",") if listed else []
    return {name.strip(): _NUMBERS.get(name.strip(), f"the {name.strip()}") for name in names}

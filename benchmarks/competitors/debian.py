"""Programs that come from Debian."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from benchmarks.measure import NotMeasured

_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # where servers live


def program(name: str, package: str) -> str:
    """The path of a program, installed from its Debian package when it is missing.

    Raises:
        NotMeasured: it is missing and can't be installed here.
    """
    found = shutil.which(name, path=_PATH)
    if found:
        return found
    if os.geteuid() or not shutil.which("apt-get"):
        message = f"{name} is not installed; as root on Debian: apt-get install {package}"
        raise NotMeasured(message)
    # Run level 1 keeps the package from starting its own service.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for words in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        done = subprocess.run(
            ["apt-get", "--quiet", "--quiet", *words],
            env=environment,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            message = f"{name} is not installed, and 'apt-get {' '.join(words)}' failed"
            raise NotMeasured(message)
    return str(Path(shutil.which(name, path=_PATH) or name))

"""Facts about this machine that belong beside a figure. They name kinds, never places."""

import importlib.metadata
import os
import platform
import resource
import time
from pathlib import Path
from typing import Final

_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
_IDLE_FIELDS: Final = (3, 4)  # of the first line of /proc/stat: idle, and waiting for a disk
_GUEST_FIELDS: Final = (8, 9)  # counted in others already


class Neighbours:
    """Finds out how much of the machine others used from when it is made until it is asked."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._others = _busy_seconds() - _own_seconds()

    def share(self) -> float:
        """Of all the time of all cores, 0 to 1; the programs of ours must have ended by now."""
        passed = time.perf_counter() - self._started
        others = _busy_seconds() - _own_seconds() - self._others
        return max(0.0, others / passed / (os.cpu_count() or 1))


def facts() -> dict[str, str]:
    """What a reader needs to judge the figures."""
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "cpu": _value("/proc/cpuinfo", "model name"),
        "memory": f"{int(_value('/proc/meminfo', 'MemTotal').split()[0]) / (1 << 20):.0f} GiB",
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "congestion control": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
        "python": platform.python_version(),
        "grpcio": importlib.metadata.version("grpcio"),
    }


def _busy_seconds() -> float:
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    left_out = {*_IDLE_FIELDS, *_GUEST_FIELDS}
    busy = sum(int(ticks) for place, ticks in enumerate(fields) if place not in left_out)
    return busy / _TICKS_A_SECOND


def _own_seconds() -> float:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, who))


def _value(file: str, key: str) -> str:
    for line in Path(file).read_text().splitlines():
        name, _colon, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "unknown"

"""Facts about this machine that belong beside a figure. They name kinds, never places."""

import importlib.metadata
import os
import platform
from pathlib import Path


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
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _value(file: str, key: str) -> str:
    for line in Path(file).read_text().splitlines():
        name, _colon, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "unknown"

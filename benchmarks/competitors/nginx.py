"""curl from nginx: nothing is verified, and the server's bytes never enter its own memory."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from benchmarks.competitors.debian import program
from benchmarks.files import sync_file, take_away
from benchmarks.measure import Metric, Sample
from benchmarks.processes import ProgramFailed, Server, run, stop

# As "Serve Static Content" of the NGINX admin guide advises for speed, and no log of requests.
CONFIGURATION: Final = Template("""\
daemon off;
user $user;
worker_processes auto;
pid $folder/nginx.pid;
error_log $folder/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  sendfile_max_chunk 1m;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_timeout 65;
  open_file_cache max=100 inactive=60s;
  client_body_temp_path $folder/body;
  proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi;
  uwsgi_temp_path $folder/uwsgi;
  scgi_temp_path $folder/scgi;
  server { listen 127.0.0.1:$port; root $root; }
}
""")

_START_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Site:
    """A server that runs, and where it answers."""

    server: Server
    port: int

    def url(self, file: Path) -> str:
        """The address of a file in its root."""
        return f"http://127.0.0.1:{self.port}/{file.name}"


@contextlib.contextmanager
def nginx(root: Path, folder: Path) -> Iterator[Site]:
    """Serve a folder on a free port of loopback.

    Args:
        root: the folder to serve.
        folder: an empty one for the server's own files.

    Raises:
        NotMeasured: there is no nginx.
        ProgramFailed: it does not start.
    """
    command = program("nginx", "nginx-light")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    user = "root" if os.geteuid() == 0 else "nobody"  # its workers must read a private folder
    configuration = folder / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.substitute(folder=folder, root=root, port=port, user=user)
    )
    with (folder / "stderr").open("w+") as errors:
        process = subprocess.Popen(
            [command, "-c", str(configuration), "-p", str(folder), "-e", str(folder / "error.log")],
            stderr=errors,
            text=True,
        )
        try:
            _wait_for(port, process, folder / "error.log")
            yield Site(Server(process), port)
        finally:
            stop(process)


def _wait_for(port: int, process: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError):  # it is not there yet
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.02)
    raise ProgramFailed(f"nginx does not start:\n{log.read_text()[-2000:]}")


class Curl:
    """Downloads the file with curl."""

    name = "curl from nginx"

    def __init__(self, site: Site, video: Path, received: Path) -> None:
        self._curl = program("curl", "curl")
        self._server = site.server
        self._url = site.url(video)
        self._size = video.stat().st_size
        self._target = received / "curl.bin"

    def run(self) -> Sample:
        """Download once; the file and its name are synced, which counts."""
        before = self._server.cpu_seconds()
        command = [self._curl, "--silent", "--show-error", "--fail", "--noproxy", "*"]
        command += ["--write-out", "%{time_total}", "--output", str(self._target), self._url]
        done = run(command, cwd=self._target.parent)
        sync_seconds = sync_file(self._target)
        take_away(self._target, self._size)
        return {
            Metric.TRANSFER_SECONDS: float(done.output) + sync_seconds,
            Metric.COMMAND_SECONDS: done.seconds + sync_seconds,
            Metric.CLIENT_CPU_SECONDS: done.cpu_seconds,
            Metric.SERVER_CPU_SECONDS: self._server.cpu_seconds() - before,
            Metric.CLIENT_PEAK_BYTES: done.peak_bytes,
            Metric.SERVER_PEAK_BYTES: self._server.peak_bytes(),
        }

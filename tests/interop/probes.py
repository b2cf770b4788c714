"""Probes that people have at hand: grpcurl, and buf curl."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, Protocol

from google.rpc import error_details_pb2

from videoteca_core.addresses import Endpoint

Answer = dict[str, Any]

_PROGRAMS: Final = Path(sys.executable).parent
_PROTOS: Final = Path(__file__).parents[2] / "protos"
_ENVIRONMENT: Final = {**os.environ, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}


class Refused(Exception):
    """A call that failed, as the probe shows it.

    Attributes:
        code: the gRPC code, in lower case and without underscores.
        reason: that of the ErrorInfo.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code.lower().replace("_", "")
        self.reason = reason


class Probe(Protocol):
    """A program that calls gRPC methods; it may know them by reflection or from the .proto."""

    def services(self, where: Endpoint) -> set[str]:
        """The names of the services that are served there."""

    def methods(self, where: Endpoint, service: str) -> set[str]:
        """The names of a service's methods."""

    def call(
        self, where: Endpoint, method: str, request: Answer | None = None, token: str = ""
    ) -> list[Answer]:
        """Call SERVICE/METHOD and return the messages that it answers, keys as in the .proto.

        Raises:
            Refused: the call failed.
        """


class Grpcurl:
    """grpcurl, by reflection."""

    def services(self, where: Endpoint) -> set[str]:
        return set(_run("grpcurl", "-plaintext", str(where), "list").stdout.split())

    def methods(self, where: Endpoint, service: str) -> set[str]:
        listed = _run("grpcurl", "-plaintext", str(where), "list", service).stdout.split()
        return {name.rpartition(".")[2] for name in listed}

    def describe(self, where: Endpoint, symbol: str) -> str:
        """The declaration of a service or message."""
        return _run("grpcurl", "-plaintext", str(where), "describe", symbol).stdout

    def call(
        self, where: Endpoint, method: str, request: Answer | None = None, token: str = ""
    ) -> list[Answer]:
        header = ("-H", f"authorization: Bearer {token}") if token else ()
        data = json.dumps(request or {})
        done = _run("grpcurl", "-plaintext", *header, "-d", data, str(where), method, check=False)
        if done.returncode:
            code = re.search(r"Code: (\w+)", done.stderr)
            assert code, done.stderr
            reason = re.search(r'"reason":"(\w+)"', done.stderr)
            raise Refused(code[1], reason[1] if reason else "")
        return _messages(done.stdout)


class BufCurl:
    """buf curl, by reflection or from the .proto."""

    def __init__(self, *, by_schema: bool) -> None:
        self._schema = ("--schema", str(_PROTOS)) if by_schema else ()

    def _buf(self, where: Endpoint, path: str, *arguments: str, check: bool = True) -> Any:
        command = ("buf", "curl", "--protocol", "grpc", "--http2-prior-knowledge")
        return _run(*command, *self._schema, *arguments, f"http://{where}{path}", check=check)

    def services(self, where: Endpoint) -> set[str]:
        return set(self._buf(where, "", "--list-services").stdout.split())

    def methods(self, where: Endpoint, service: str) -> set[str]:
        listed = self._buf(where, "", "--list-methods").stdout.split()
        return {name.partition("/")[2] for name in listed if name.startswith(f"{service}/")}

    def call(
        self, where: Endpoint, method: str, request: Answer | None = None, token: str = ""
    ) -> list[Answer]:
        header = ("--header", f"authorization: Bearer {token}") if token else ()
        data = json.dumps(request or {})
        done = self._buf(where, f"/{method}", *header, "--data", data, check=False)
        if done.returncode:
            error = json.loads(done.stderr)
            reasons = [
                error_details_pb2.ErrorInfo.FromString(_unpadded(detail["value"])).reason
                for detail in error.get("details", [])
                if detail["type"] == "google.rpc.ErrorInfo"
            ]
            raise Refused(error["code"], *reasons)
        return _messages(done.stdout)


PROBES: Final[dict[str, Probe]] = {
    "grpcurl": Grpcurl(),
    "buf by reflection": BufCurl(by_schema=False),
    "buf by schema": BufCurl(by_schema=True),
}


def _run(program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [_PROGRAMS / program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=_ENVIRONMENT,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def _unpadded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


def _messages(text: str) -> list[Answer]:
    """The JSON objects that follow one another in a text."""
    messages, decoder, text = [], json.JSONDecoder(object_hook=_as_in_the_proto), text.strip()
    while text:
        message, end = decoder.raw_decode(text)
        messages.append(message)
        text = text[end:].strip()
    return messages


def _as_in_the_proto(message: Answer) -> Answer:
    return {re.sub(r"[A-Z]", lambda m: f"_{m[0].lower()}", key): message[key] for key in message}

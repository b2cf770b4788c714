"""Translates errors to google.rpc.Status and back; nothing behind this sees a gRPC error."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from videoteca_core import errors
from videoteca_core.text import N_, encodable, printable

DOMAIN: Final = "videoteca"

_MAX_FIELD_BYTES: Final = 512
_MAX_CHOICES_BYTES: Final = 4_096

_CODES: Final[tuple[tuple[type[errors.VideotecaError], int], ...]] = (
    (errors.InvalidInput, code_pb2.INVALID_ARGUMENT),
    (errors.NotFound, code_pb2.NOT_FOUND),
    (errors.AlreadyExists, code_pb2.ALREADY_EXISTS),
    (errors.FailedPrecondition, code_pb2.FAILED_PRECONDITION),
    (errors.NotRegistered, code_pb2.UNAUTHENTICATED),
    (errors.ClaimRefused, code_pb2.PERMISSION_DENIED),
    (errors.OffsetOutOfRange, code_pb2.OUT_OF_RANGE),
    (errors.Busy, code_pb2.RESOURCE_EXHAUSTED),
    (errors.DiskFull, code_pb2.RESOURCE_EXHAUSTED),
    (errors.Aborted, code_pb2.ABORTED),
    (errors.BadSource, code_pb2.DATA_LOSS),
    (errors.Unavailable, code_pb2.UNAVAILABLE),
    (errors.LocalTrouble, code_pb2.FAILED_PRECONDITION),
)

_OWN: Final = (errors.LocalTrouble, errors.InternalError)
"""What nobody but this machine can know of itself."""

_GONE: Final = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    # What a server that is stopping answers to a call that comes just then.
    grpc.StatusCode.CANCELLED,
)


def to_status(error: errors.VideotecaError) -> status_pb2.Status:
    """The status with which a servicer answers an error.

    It travels three times over in the trailers, which many clients limit to 8 KiB: fields that
    are long, which only malformed requests have, are cut.
    """
    error = type(error)(**{key: _brief(key, value) for key, value in error.fields.items()})
    status = status_pb2.Status(code=_code(type(error)), message=str(error))
    for detail in _details(error):
        status.details.add().Pack(detail)
    return status


def _code(kind: type[errors.VideotecaError]) -> int:
    return next((code for root, code in _CODES if issubclass(kind, root)), code_pb2.INTERNAL)


def _brief(key: str, value: str) -> str:
    """As much of a field as fits once it is made printable; nothing that UTF-8 can't hold."""
    value = encodable(value)
    room = _MAX_CHOICES_BYTES if key == "choices" else _MAX_FIELD_BYTES
    for index, character in enumerate(value):
        room -= len(printable(character).encode())
        if room < 0:
            return value[:index] + "…"
    return value


def _details(error: errors.VideotecaError) -> Iterator[Message]:
    yield error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.fields)
    if isinstance(error, errors.InvalidInput):
        field = error.fields.get("field", next(iter(error.fields), "page_token"))
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=str(error))
        yield error_details_pb2.BadRequest(field_violations=[violation])
    elif isinstance(error, errors.NotFound | errors.AlreadyExists):
        yield error_details_pb2.ResourceInfo(
            resource_type=error.resource_type,
            resource_name=error.fields[error.resource_field],
            description=str(error),
        )
    elif isinstance(error, errors.Busy):
        seconds = int(error.fields["retry_after_seconds"])
        yield error_details_pb2.RetryInfo(retry_delay=Duration(seconds=seconds))


def from_rpc_error(
    error: Any,  # noqa: ANN401 - the types of grpc.RpcError hide that it is a grpc.Call too
    what: str,
    address: object,
) -> errors.VideotecaError:
    """The error that a failed call stands for.

    Args:
        error: what the stub raised.
        what: whom the call was for: "tracker" or "peer".
        address: where that was expected; a Path when it is a socket of this machine, and only
            then the troubles of the other side are those of this machine.
    """
    try:
        status = rpc_status.from_call(error)
        known = _from_status(status) if status else None
    except (ValueError, DecodeError):  # it contradicts itself, or is no status: go by the code
        known = None
    if known and (isinstance(address, Path) or not isinstance(known, _OWN)):
        return known
    detail = error.details() or error.code().name
    if error.code() in _GONE:
        cause = detail.rpartition(": ")[2]  # before it gRPC tells the way there
        return errors.Unreachable(what=what, address=address, detail=cause)
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:  # a peer where a tracker should be, say
        foreign = N_("what listens there is something else")
        return errors.Unreachable(what=what, address=address, detail=foreign)
    return errors.RemoteFailure(code=error.code().name, detail=detail)


def _from_status(status: status_pb2.Status) -> errors.VideotecaError | None:
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info) and info.domain == DOMAIN:
            kind = errors.BY_REASON.get(info.reason)
            if kind is None or _code(kind) != status.code:
                return None
            try:
                known = kind(**info.metadata)
                tuple(_details(known))  # fields that can't be sent on were never sent by us
            except (LookupError, ValueError):  # a later version's fields: its own message serves
                return None
            return known
    return None


@contextmanager
def translated(what: str, address: object) -> Iterator[None]:
    """Turn what a stub raises inside the block into a VideotecaError.

    Args:
        what: whom the calls are for: "tracker" or "peer".
        address: where that is expected.
    """
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error, what, address) from error

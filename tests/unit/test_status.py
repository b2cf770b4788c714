"""Errors cross the wire as google.rpc.Status and come back as what they were."""

from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from tests.error_kinds import error_kinds, sample_fields
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import (
    AlreadyExists,
    Busy,
    InternalError,
    InvalidInput,
    InvalidName,
    InvalidPageToken,
    InvalidRequest,
    LocalTrouble,
    NameAmbiguous,
    NotFound,
    NoUploadSlot,
    RemoteFailure,
    Unreachable,
    VideotecaError,
    VideoUnknown,
)
from videoteca_core.rpc.status import from_rpc_error, to_status, translated

HERE: Final = Path("/run/videoteca/control.sock")
THERE: Final = Endpoint("192.0.2.7", 1030)
TRAILER_LIMIT_BYTES: Final = 8_192

KINDS = sorted(error_kinds(), key=lambda kind: kind.reason)
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


class FailedCall(grpc.RpcError):
    """What a stub raises: a call that ended with that code, message and details."""

    def __init__(self, code: int, message: str, details: bytes | None = None) -> None:
        self._code = next(known for known in grpc.StatusCode if known.value[0] == code)
        self._message = message
        self._trailers = () if details is None else (("grpc-status-details-bin", details),)

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._message

    def trailing_metadata(self) -> Any:
        return self._trailers


def failed_call(status: status_pb2.Status) -> FailedCall:
    return FailedCall(status.code, status.message, status.SerializeToString())


def lie(reason: str, code: int = code_pb2.INVALID_ARGUMENT, **metadata: str) -> FailedCall:
    """A call that failed with a reason that does not go with the rest."""
    status = status_pb2.Status(code=code, message="m")
    info = error_details_pb2.ErrorInfo(reason=reason, domain="videoteca", metadata=metadata)
    status.details.add().Pack(info)
    return failed_call(status)


def details_of(error: VideotecaError, kind: type[Message]) -> list[Any]:
    found = []
    for detail in to_status(error).details:
        message = kind()
        if detail.Unpack(message):
            found.append(message)
    return found


@kinds
def test_an_error_comes_back_as_what_it_was(kind: type[VideotecaError]) -> None:
    error = kind(**sample_fields(kind))
    back = from_rpc_error(failed_call(to_status(error)), "peer", HERE)
    assert type(back) is kind
    assert back.fields == error.fields
    assert str(back) == str(error)


@kinds
def test_an_error_has_one_error_info_and_the_details_of_its_class(
    kind: type[VideotecaError],
) -> None:
    error = kind(**sample_fields(kind))
    (info,) = details_of(error, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain, dict(info.metadata)) == (
        kind.reason,
        "videoteca",
        error.fields,
    )
    bad_requests = details_of(error, error_details_pb2.BadRequest)
    resources = details_of(error, error_details_pb2.ResourceInfo)
    retries = details_of(error, error_details_pb2.RetryInfo)
    assert len(bad_requests) == issubclass(kind, InvalidInput)
    assert len(resources) == issubclass(kind, NotFound | AlreadyExists)
    assert len(retries) == issubclass(kind, Busy)
    assert to_status(error).code != code_pb2.OK


def test_only_errors_without_a_cause_are_internal() -> None:
    internal = [
        kind for kind in KINDS if to_status(kind(**sample_fields(kind))).code == code_pb2.INTERNAL
    ]
    assert set(internal) == {RemoteFailure, InternalError}


def test_a_bad_request_names_the_field() -> None:
    def field(error: VideotecaError) -> str:
        (request,) = details_of(error, error_details_pb2.BadRequest)
        (violation,) = request.field_violations
        assert violation.description == str(error)
        return str(violation.field)

    assert field(InvalidRequest(field="page_size", problem="it is negative")) == "page_size"
    assert field(InvalidName(name="..", problem="it begins with a dot")) == "name"
    assert field(InvalidPageToken()) == "page_token"


def test_a_missing_thing_is_named_with_its_kind() -> None:
    (resource,) = details_of(VideoUnknown(video="clip.mp4"), error_details_pb2.ResourceInfo)
    assert (resource.resource_type, resource.resource_name) == ("video", "clip.mp4")


def test_who_finds_no_slot_is_told_when_to_come_back() -> None:
    (retry,) = details_of(NoUploadSlot(retry_after_seconds=7), error_details_pb2.RetryInfo)
    assert retry.retry_delay.seconds == 7


@pytest.mark.parametrize("character", ["x", "ñ", "\x1b", "\u202e", "\U0001f468", "\udc80", "%"])
def test_however_long_a_field_is_the_trailers_stay_short(character: str) -> None:
    error = InvalidName(name=character * 100_000, problem="it is longer than 240 bytes")
    status = to_status(error)
    message_bytes = sum(
        1 if 0x20 <= byte < 0x7F and byte != 0x25 else 3 for byte in status.message.encode()
    )
    assert message_bytes + len(status.SerializeToString()) * 4 / 3 < TRAILER_LIMIT_BYTES
    back = from_rpc_error(failed_call(status), "tracker", THERE)
    assert isinstance(back, InvalidName)
    assert back.fields["name"].endswith("…")
    assert back.fields["problem"] == error.fields["problem"]


def test_a_list_of_choices_arrives_whole() -> None:
    choices = "\n".join(f"{number:064x} 123,456,789 ana, eva" for number in range(40))
    error = NameAmbiguous(video="clip.mp4", choices=choices)
    assert from_rpc_error(failed_call(to_status(error)), "peer", HERE).fields == error.fields


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lie("FROM_THE_FUTURE"), id="unknown reason"),
        pytest.param(lie("INVALID_NAME"), id="no fields"),
        pytest.param(lie("INVALID_NAME", name="x"), id="a field missing"),
        pytest.param(lie("VIDEO_UNKNOWN", video="x"), id="a reason of another code"),
        pytest.param(
            lie("NO_UPLOAD_SLOT", code_pb2.RESOURCE_EXHAUSTED, retry_after_seconds="soon"),
            id="no number",
        ),
        pytest.param(
            lie("NO_UPLOAD_SLOT", code_pb2.RESOURCE_EXHAUSTED, retry_after_seconds="9" * 30),
            id="a number beyond all bounds",
        ),
        pytest.param(FailedCall(code_pb2.INTERNAL, "m", b"\xff\xff\xff"), id="no status"),
        pytest.param(
            FailedCall(
                code_pb2.INTERNAL, "m", to_status(VideoUnknown(video="x")).SerializeToString()
            ),
            id="a status of another code",
        ),
        pytest.param(FailedCall(code_pb2.INTERNAL, "m"), id="no details"),
        pytest.param(FailedCall(code_pb2.DATA_LOSS, ""), id="no message"),
    ],
)
def test_what_contradicts_itself_is_a_failure_of_the_other_side(call: FailedCall) -> None:
    back = from_rpc_error(call, "peer", THERE)
    assert isinstance(back, RemoteFailure)
    assert back.fields == {"code": call.code().name, "detail": call.details() or call.code().name}


def test_a_peer_where_a_tracker_should_be_is_no_tracker() -> None:
    back = from_rpc_error(
        FailedCall(code_pb2.UNIMPLEMENTED, "Method not found!"), "tracker", "10.0.0.2:1030"
    )
    assert isinstance(back, Unreachable)
    assert str(back).startswith(
        "No tracker answers at 10.0.0.2:1030 (what listens there is something else)."
    )


def test_details_that_are_no_message_are_a_failure_of_the_other_side() -> None:
    status = status_pb2.Status(code=code_pb2.ABORTED, message="m")
    detail = status.details.add()
    detail.type_url = "type.googleapis.com/google.rpc.ErrorInfo"
    detail.value = b"\xff\xff"
    assert isinstance(from_rpc_error(failed_call(status), "peer", THERE), RemoteFailure)


def test_fields_that_a_later_version_adds_do_no_harm() -> None:
    back = from_rpc_error(
        lie("VIDEO_UNKNOWN", code_pb2.NOT_FOUND, video="x", self="y", fields="z"), "peer", THERE
    )
    assert isinstance(back, VideoUnknown)
    assert str(back) == str(VideoUnknown(video="x"))


@pytest.mark.parametrize("domain", ["", "example.com"])
def test_another_domain_is_not_ours(domain: str) -> None:
    status = status_pb2.Status(code=code_pb2.NOT_FOUND, message="m")
    info = error_details_pb2.ErrorInfo(reason="VIDEO_UNKNOWN", domain=domain)
    info.metadata["video"] = "x"
    status.details.add().Pack(info)
    assert isinstance(from_rpc_error(failed_call(status), "peer", THERE), RemoteFailure)


@pytest.mark.parametrize(
    "code", [code_pb2.UNAVAILABLE, code_pb2.DEADLINE_EXCEEDED, code_pb2.CANCELLED]
)
def test_who_does_not_answer_is_unreachable(code: int) -> None:
    back = from_rpc_error(FailedCall(code, "Connection refused"), "tracker", THERE)
    assert isinstance(back, Unreachable)
    assert back.fields == {
        "what": "tracker",
        "address": "192.0.2.7:1030",
        "detail": "Connection refused",
    }


@pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS if issubclass(kind, LocalTrouble | InternalError)],
    ids=lambda kind: kind.__name__,
)
def test_nobody_else_knows_the_troubles_of_this_machine(kind: type[VideotecaError]) -> None:
    call = failed_call(to_status(kind(**sample_fields(kind))))
    assert isinstance(from_rpc_error(call, "peer", THERE), RemoteFailure)
    assert isinstance(from_rpc_error(call, "peer", HERE), kind)


def test_a_block_translates_what_its_calls_raise() -> None:
    with pytest.raises(VideoUnknown) as caught, translated("peer", THERE):
        raise failed_call(to_status(VideoUnknown(video="clip.mp4")))
    assert isinstance(caught.value.__cause__, FailedCall)
    with pytest.raises(ZeroDivisionError), translated("peer", THERE):
        raise ZeroDivisionError

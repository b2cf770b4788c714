"""Messages of a stream are read by hand as protobuf would read them."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import assume, example, given
from hypothesis import strategies as st

from peer_service import wire
from videoteca.v1 import videoteca_pb2 as pb

CHUNKS = st.binary(max_size=300) | st.integers(100, 40_000).map(bytes)


def as_protobuf_reads(data: bytes) -> wire.FetchHeader | bytes:
    message = pb.FetchVideoResponse.FromString(data)
    if message.WhichOneof("part") != "header":
        return message.chunk
    return wire.FetchHeader(
        message.header.size_bytes,
        message.header.video_id,
        message.header.piece_size_bytes,
        message.header.offset_bytes,
        message.header.granted_bytes,
    )


@given(CHUNKS)
@example(bytes(127))
@example(bytes(1 << 20))
def test_a_chunk_comes_back_and_is_not_copied(chunk: bytes) -> None:
    sent = wire.chunk_to_wire(chunk)
    received = wire.fetch_response_from_wire(sent)
    assert isinstance(received, memoryview)
    assert received == chunk
    assert received.obj is sent


@given(
    st.builds(
        wire.FetchHeader,
        size_bytes=st.integers(-(1 << 63), (1 << 63) - 1),
        video_id=st.text(max_size=80),
        piece_size_bytes=st.integers(0, 1 << 40),
        offset_bytes=st.integers(-5, 1 << 40),
        granted_bytes=st.integers(-5, 1 << 40),
    )
)
def test_a_header_comes_back(header: wire.FetchHeader) -> None:
    assert wire.fetch_response_from_wire(wire.fetch_header_to_wire(header)) == header


@given(st.lists(st.binary(max_size=6) | CHUNKS.map(wire.chunk_to_wire), max_size=3).map(b"".join))
@example(b"")
@example(b"\x12\x02ab\x12\x01c")  # two chunks: the last one counts
@example(b"\x12\x82\x00ab")  # the length in more bytes than it needs
@example(b"\x12\x81\x80\x80\x80\x80\x80\x80\x80\x80\x00c")
@example(b"\x12\x02ab\x0a\x00")  # a chunk, and then a header after all
@example(b"\x12\x02ab\x18\x01")  # and something of a later version
def test_anything_is_read_as_protobuf_reads_it(data: bytes) -> None:
    try:
        expected = as_protobuf_reads(data)
    except DecodeError:
        assume(False)
    assert wire.fetch_response_from_wire(data) == expected


@pytest.mark.parametrize("data", [b"\x12", b"\x12\x05abc", b"\x12" + b"\xff" * 6, b"\x0a\x01\xff"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        wire.fetch_response_from_wire(data)

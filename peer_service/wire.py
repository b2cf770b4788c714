"""The messages of the public Peer service, from the wire and to it."""

from dataclasses import dataclass
from typing import Final

from peer_service.pieces import PieceSet
from videoteca.v1 import videoteca_pb2 as pb
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import InvalidAddress, InvalidRequest
from videoteca_core.identity import CHALLENGE_BYTES
from videoteca_core.manifest import Manifest, valid_video_id
from videoteca_core.names import valid_name
from videoteca_core.text import N_

_CHUNK_TAG: Final = bytes([pb.FetchVideoResponse.CHUNK_FIELD_NUMBER << 3 | 2])  # 2: of any length
_MAX_LENGTH_BYTES: Final = 5
"""Of a varint that says how long a field is: no message has 2 GiB."""


@dataclass(frozen=True)
class VideoKey:
    """Which video of a peer: by id or by name, the other being empty."""

    video_id: str = ""
    name: str = ""


@dataclass(frozen=True)
class FetchRequest:
    """Which range of which video; no length: to the end."""

    video: VideoKey
    offset_bytes: int = 0
    length_bytes: int | None = None


@dataclass(frozen=True)
class FetchHeader:
    """What is going to be streamed."""

    size_bytes: int
    video_id: str
    piece_size_bytes: int
    offset_bytes: int
    granted_bytes: int
    upload_limit: int = 0


@dataclass(frozen=True)
class Challenge:
    """A tracker's challenge of 32 bytes, and for whom at which address it is."""

    challenge: bytes
    name: str
    endpoint: Endpoint


def video_key_from_wire(message: pb.FetchVideoRequest | pb.GetManifestRequest) -> VideoKey:
    """Which video is asked for.

    Raises:
        InvalidRequest: it does not say.
        InvalidVideoId, InvalidName: it is malformed.
    """
    match message.WhichOneof("video"):
        case "video_id":
            return VideoKey(video_id=valid_video_id(message.video_id))
        case "name":
            return VideoKey(name=valid_name(message.name))
        case _:
            raise InvalidRequest(field="video", problem=N_("give a video_id or a name"))


def fetch_request_from_wire(message: pb.FetchVideoRequest) -> FetchRequest:
    """Which range of which video is asked for.

    Raises:
        InvalidRequest: it does not say which video, or a number is negative.
        InvalidVideoId, InvalidName: the video's are malformed.
    """
    length = message.length_bytes if message.HasField("length_bytes") else None
    for field, value in (("offset_bytes", message.offset_bytes), ("length_bytes", length)):
        if value is not None and value < 0:
            raise InvalidRequest(field=field, problem=N_("it is negative"))
    return FetchRequest(video_key_from_wire(message), message.offset_bytes, length)


def fetch_header_to_wire(header: FetchHeader) -> bytes:
    """The first message of a stream, serialised."""
    message = pb.FetchVideoHeader(
        size_bytes=header.size_bytes,
        video_id=header.video_id,
        piece_size_bytes=header.piece_size_bytes,
        offset_bytes=header.offset_bytes,
        granted_bytes=header.granted_bytes,
        upload_limit=header.upload_limit,
    )
    return pb.FetchVideoResponse(header=message).SerializeToString()


def chunk_to_wire(chunk: bytes | memoryview) -> bytes:
    """A later message of a stream, serialised.

    By hand: that copies the bytes once and not three times, a quarter of a server's time.
    """
    return b"".join((_CHUNK_TAG, _varint(len(chunk)), chunk))


def fetch_response_from_wire(data: bytes) -> FetchHeader | memoryview:
    """A message of a stream: the header, or the bytes of a chunk; no bytes for anything else.

    A chunk is taken out by hand where it is all that the message holds: a view of the bytes that
    came, which copies none of them; parsing copies them twice, a tenth of a receiver's time.
    """
    chunk = _sole_chunk(data)
    if chunk is not None:
        return chunk
    message = pb.FetchVideoResponse.FromString(data)
    if message.WhichOneof("part") != "header":
        return memoryview(message.chunk)
    header = message.header
    return FetchHeader(
        size_bytes=header.size_bytes,
        video_id=header.video_id,
        piece_size_bytes=header.piece_size_bytes,
        offset_bytes=header.offset_bytes,
        granted_bytes=header.granted_bytes,
        upload_limit=header.upload_limit,
    )


def _sole_chunk(data: bytes) -> memoryview | None:
    """The bytes of the chunk when the message is just that, encoded as everybody does."""
    if not data.startswith(_CHUNK_TAG):
        return None
    length = 0
    for place, byte in enumerate(data[1 : 1 + _MAX_LENGTH_BYTES]):
        length |= (byte & 0x7F) << 7 * place
        if byte <= 0x7F:
            chunk = memoryview(data)[place + 2 :]
            return chunk if len(chunk) == length else None
    return None


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def manifest_to_wire(manifest: Manifest) -> pb.GetManifestResponse:
    """The digests of a video's pieces."""
    return pb.GetManifestResponse(
        video_id=manifest.video_id,
        size_bytes=manifest.size_bytes,
        piece_size_bytes=manifest.piece_size,
        piece_digests=manifest.piece_digests,
    )


def watched_video_from_wire(message: pb.WatchPiecesRequest) -> str:
    """The id of the video whose pieces are to be watched.

    Raises:
        InvalidVideoId: it is none.
    """
    return valid_video_id(message.video_id)


def piece_news_to_wire(pieces: PieceSet, *, first: bool) -> pb.WatchPiecesResponse:
    """All the pieces that there are, as the first message; later those that are new."""
    if first:
        return pb.WatchPiecesResponse(bitmap=pieces.to_bitmap())
    return pb.WatchPiecesResponse(added=pb.Pieces(numbers=pieces))


def piece_news_from_wire(message: pb.WatchPiecesResponse, piece_count: int) -> PieceSet:
    """The pieces that a message tells of: all that there are, or those that are new.

    Raises:
        ValueError: the video has no such pieces, or not so many.
    """
    if message.WhichOneof("news") == "bitmap":
        return PieceSet.from_bitmap(message.bitmap, piece_count)
    if len(message.added.numbers) > piece_count:
        raise ValueError(len(message.added.numbers))
    pieces = PieceSet(piece_count)
    for piece in message.added.numbers:
        if not 0 <= piece < piece_count:
            raise ValueError(piece)
        pieces.add(piece)
    return pieces


def challenge_from_wire(message: pb.IdentifyRequest) -> Challenge:
    """A tracker's challenge.

    Raises:
        InvalidRequest: the challenge has another length, or the endpoint is none.
    """
    if len(message.challenge) != CHALLENGE_BYTES:
        raise InvalidRequest(field="challenge", problem=N_("it is not 32 bytes"))
    try:
        endpoint = Endpoint.of(message.endpoint.host, message.endpoint.port)
    except InvalidAddress as error:
        raise InvalidRequest(field="endpoint", problem=error) from error
    return Challenge(message.challenge, message.name, endpoint)

"""The options of every channel and server; each was found necessary by measurement."""

from typing import Final

MAX_CHUNK_BYTES: Final = 1 << 20

_SHARED: Final = (
    # A frame holds a whole chunk: 10 to 20 % faster bulk transfer.
    ("grpc.http2.max_frame_size", MAX_CHUNK_BYTES),
    # What may be on its way to a reader that is slow to take it, and so in its memory. A probe of
    # the delay would let that grow to hundreds of MiB where the machine is busy.
    ("grpc.http2.lookahead_bytes", 4 << 20),
    ("grpc.http2.bdp_probe", 0),
)

CHANNEL_OPTIONS: Final = (
    *_SHARED,
    # The environment's proxy would hijack even addresses of the local network.
    ("grpc.enable_http_proxy", 0),
    # Each stub has its connection: a stalled one does not hold up the others.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)

ANY_SIZE: Final = ("grpc.max_receive_message_length", -1)
"""For a server of this machine's own user, which may have very much to tell."""

SERVER_OPTIONS: Final = (
    *_SHARED,
    # Otherwise a second server binds the same port without a word.
    ("grpc.so_reuseport", 0),
    # Raw connections that never speak HTTP/2 are closed.
    ("grpc.server_handshake_timeout_ms", 5_000),
    # Connections on which nothing is asked give their descriptors back.
    ("grpc.max_connection_idle_ms", 300_000),
    # Bounds one client's streams, and the cost of a flood of resets.
    ("grpc.max_concurrent_streams", 128),
)

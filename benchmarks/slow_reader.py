"""Reads a video from a peer, slowly, until the process is ended: ``ADDRESS VIDEO_ID``.

A program. Prints a line whenever it is granted something. Where it was given less than all it asks
for the rest, as a downloader does, and after the end it begins again.
"""

import sys
import time
from typing import Final

from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1.videoteca_pb2_grpc import PeerStub
from videoteca_core.addresses import Endpoint
from videoteca_core.rpc.channel import blocking_channel

_NO_DEFAULT: Final = 0  # the port is always given
_PAUSE_SECONDS: Final = 0.5
"""After each chunk of 1 MiB: far less than a peer can send, and no stall in its eyes."""


def main(source: str, video_id: str) -> None:
    with blocking_channel(Endpoint.resolve(source, _NO_DEFAULT)) as channel:
        stub = PeerStub(channel)
        offset = 0
        while True:
            request = pb.FetchVideoRequest(video_id=video_id, offset_bytes=offset)
            for message in stub.FetchVideo(request):
                if message.WhichOneof("part") == "header":
                    size_bytes = message.header.size_bytes
                    print("granted", message.header.granted_bytes, flush=True)
                else:
                    offset = (offset + len(message.chunk)) % size_bytes
                    time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Makes the demo's video: a few seconds of moving rings, H.264 in MP4, drawn here.

Usage: python -m tools.make_demo_video cli/assets/demo.mp4
"""

import math
import sys
from fractions import Fraction
from pathlib import Path

import av

WIDTH, HEIGHT, FRAMES_PER_SECOND, SECONDS = 640, 360, 25, 6


def frame(number: int) -> av.VideoFrame:
    """One picture: rings that spread from a point which circles the middle."""
    turn = 2 * math.pi * number / (FRAMES_PER_SECOND * SECONDS)
    x, y = WIDTH / 2 + 120 * math.cos(turn), HEIGHT / 2 + 80 * math.sin(turn)
    picture = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    luma, *chroma = picture.planes
    luma.update(
        b"".join(
            bytes(
                int(128 + 100 * math.sin(math.hypot(column - x, row - y) / 9 - 6 * turn))
                for column in range(WIDTH)
            ).ljust(luma.line_size, b"\0")
            for row in range(HEIGHT)
        )
    )
    for plane, shift in zip(chroma, (0.0, math.pi / 2), strict=True):
        shade = int(128 + 60 * math.sin(turn + shift))
        plane.update(bytes([shade]) * plane.buffer_size)
    return picture


def main(path: Path) -> None:
    """Write the video."""
    with av.open(path, "w") as container:
        stream = container.add_stream("h264", rate=Fraction(FRAMES_PER_SECOND))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.bit_rate = 4_000_000
        for number in range(FRAMES_PER_SECOND * SECONDS):
            container.mux(stream.encode(frame(number)))
        container.mux(stream.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))

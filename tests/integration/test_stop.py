"""A peer that is told to stop in the middle of its work stops in good order."""

from pathlib import Path

from tests.processes import crew
from tests.waiting import eventually
from videoteca.v1 import videoteca_pb2 as pb
from videoteca.v1.videoteca_pb2_grpc import PeerStub
from videoteca_core.addresses import Endpoint
from videoteca_core.rpc.channel import blocking_channel

VIDEO_BYTES = 64 << 20
SAME = 20


def test_readers_that_never_read_are_no_reason_for_tracebacks(tmp_path: Path) -> None:
    with crew(tmp_path) as them:
        (them.shared("ana") / "clip.mp4").write_bytes(bytes(VIDEO_BYTES))
        ana = them.start_peer("ana")
        eventually(lambda: ana.status().shared, 20)
        with blocking_channel(Endpoint("127.0.0.1", ana.status().listen_port)) as channel:
            request = pb.FetchVideoRequest(name="clip.mp4")
            calls = [PeerStub(channel).FetchVideo(request) for _ in range(12)]
            all_but_one = ana.status().max_uploads - 1  # the last is kept for somebody else
            eventually(lambda: ana.status().uploads == all_but_one)
            sent = [-1]

            def nothing_moves() -> bool:
                sent.append(ana.status().uploaded_bytes)
                return len(sent) > SAME and len(set(sent[-SAME:])) == 1

            eventually(nothing_moves)
            ana.close()
            them.servers["ana"].stop()
            them.check_logs()
            for call in calls:
                call.cancel()

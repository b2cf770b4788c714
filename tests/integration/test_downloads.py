"""Downloads by the real worker, from real peers over gRPC, of real files."""

from pathlib import Path

from peer_service.database import PeerDatabase
from peer_service.downloads.model import DownloadState
from peer_service.downloads.queue import DownloadQueue
from peer_service.downloads.worker import DownloadWorker
from tests.sharing import sharing
from tests.waiting import eventually
from videoteca_core.catalogue import HoldingState, LocatedVideo, Source


def test_a_video_moves(tmp_path: Path) -> None:
    data = bytes(range(256)) * 13_000
    (tmp_path / "shared").mkdir()
    (tmp_path / "received").mkdir()
    (tmp_path / "shared" / "clip.mp4").write_bytes(data)
    with sharing(tmp_path / "db", tmp_path / "shared") as peer:
        peer.wait_shared("clip.mp4")
        (holding,) = peer.library.holdings()
        video = LocatedVideo(
            "clip.mp4",
            holding.video_id,
            holding.size_bytes,
            (Source("ana", HoldingState.COMPLETE, (peer.endpoint,)),),
            ("ana",),
            1,
        )
        with PeerDatabase(tmp_path / "mine") as database:
            queue = DownloadQueue(database)
            worker = DownloadWorker(
                queue,
                locate=lambda query: [video],
                received_folder=tmp_path / "received",
                may_use=lambda endpoint: True,
                on_done=lambda path, manifest: None,
                own_name=lambda: "me",
            )
            worker.start()
            download, _ = queue.enqueue(video)
            eventually(lambda: queue.get(download.download_id).state.is_final)
            done = queue.get(download.download_id)
            worker.stop()
            assert done.state is DownloadState.DONE, done
            assert Path(done.path).read_bytes() == data
            assert list((tmp_path / "received" / ".videoteca").iterdir()) == []

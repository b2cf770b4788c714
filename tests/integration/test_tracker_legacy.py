"""The old client file, taken over into a tracker's database and written from it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.holdings import holding
from tests.servers import running_tracker
from tracker_service.client import TrackerClient
from tracker_service.legacy import export_clients, import_clients
from videoteca_core import errors
from videoteca_core.catalogue import (
    NO_HOLDINGS,
    Reachability,
    Registration,
    VideoQuery,
    VideoSummary,
    holdings_digest,
)
from videoteca_core.identity import new_token

OLD = "2\nana 10.0.0.7 1030 2\nclip.mp4\nA%C3%B1o%20nuevo.mp4\nluis%20m 10.0.0.8 1031 0\n"
RAW = "2\nana 10.0.0.7 1030 2\nAño%20nuevo.mp4\nclip.mp4\nluis%20m 10.0.0.8 1031 0\n"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "tracker.db"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def written(text: str) -> Path:
        file = tmp_path / "bd_clientes.txt"
        file.write_text(text, encoding="utf-8")
        return file

    return written


def test_an_imported_client_is_known_offline_and_claimed_once(
    database: Path, write: Callable[[str], Path]
) -> None:
    claims = dict(import_clients(database, write(OLD)))
    assert claims.keys() == {"ana", "luis m"}
    with running_tracker(database) as where, TrackerClient(where, new_token()) as eva:
        eva.register(Registration("eva"))
        assert eva.info().videos == (
            VideoSummary("Año nuevo.mp4", "", 0, holders=1, online=0),
            VideoSummary("clip.mp4", "", 0, holders=1, online=0),
        )
        (video,) = eva.locate(VideoQuery(name="clip.mp4"))
        assert (video.video_id, video.sources, video.owners) == ("", (), ("ana",))
        with TrackerClient(where, new_token()) as ana:
            for code in ("", "wrong", claims["luis m"]):
                with pytest.raises(errors.ClaimRefused):
                    ana.register(Registration("ana", claim_code=code))
            lease = ana.register(Registration("ana", claim_code=f" {claims['ana']}\n"))
            assert lease.reachability is Reachability.NOT_SERVING
            assert lease.holdings_digest != NO_HOLDINGS
            published = holding("clip.mp4")
            assert ana.publish([published]) != holdings_digest([published])
            assert ana.publish([published], replaces_all=True) == holdings_digest([published])
        with (
            TrackerClient(where, new_token()) as thief,
            pytest.raises(errors.NameTaken),
        ):
            thief.register(Registration("ana", claim_code=claims["ana"]))
        (known,) = eva.info().videos
        assert known.video_id == published.video_id


def test_a_registered_peer_claims_what_it_was_called_before(
    database: Path, write: Callable[[str], Path]
) -> None:
    claims = dict(import_clients(database, write(OLD)))
    with running_tracker(database) as where, TrackerClient(where, new_token()) as ana:
        peer_id = ana.register(Registration("ana2")).peer_id
        ana.publish([holding("clip.mp4"), holding("new.mp4")])
        lease = ana.register(Registration("ana", claim_code=claims["ana"]))
        assert lease.peer_id == peer_id
        names = [(video.name, bool(video.video_id)) for video in ana.all_videos()]
        assert names == [("Año nuevo.mp4", False), ("clip.mp4", True), ("new.mp4", True)]
        kept = [holding("clip.mp4"), holding("new.mp4")]
        assert ana.withdraw(["Año nuevo.mp4"]) == holdings_digest(kept)


def test_what_was_imported_is_exported(
    database: Path, tmp_path: Path, write: Callable[[str], Path]
) -> None:
    import_clients(database, write(OLD))
    with running_tracker(database):  # which may run meanwhile
        assert export_clients(database, tmp_path / "out.txt") == 2
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == RAW
    assert sorted(path.name for path in tmp_path.glob("*out*")) == ["out.txt"]


def test_an_import_beside_a_running_tracker_is_seen_by_it(
    database: Path, write: Callable[[str], Path]
) -> None:
    with running_tracker(database) as where, TrackerClient(where) as eva:
        eva.register(Registration("eva"))
        import_clients(database, write(OLD))
        assert len(eva.info().videos) == 2


def test_a_known_name_fails_the_whole_import(database: Path, write: Callable[[str], Path]) -> None:
    with running_tracker(database) as where, TrackerClient(where) as client:
        client.register(Registration("luis m"))
        with pytest.raises(errors.InvalidLegacyFile) as caught:
            import_clients(database, write(OLD))
        assert caught.value.fields["line"] == "5"
        assert client.info().videos == ()


def test_files_that_are_missing_or_something_else(
    database: Path, tmp_path: Path, write: Callable[[str], Path]
) -> None:
    with pytest.raises(errors.FileMissing):
        import_clients(database, tmp_path / "nothing.txt")
    with pytest.raises(errors.FileMissing):
        export_clients(database, tmp_path / "out.txt")
    assert not database.exists()
    with pytest.raises(errors.FileUnreadable):
        import_clients(database, tmp_path)
    latin = tmp_path / "latin.txt"
    latin.write_bytes("1\nana 10.0.0.7 1030 1\nA\xf1o.mp4\n".encode("latin-1"))
    with pytest.raises(errors.InvalidLegacyFile) as caught:
        import_clients(database, latin)
    assert caught.value.fields["line"] == "3"
    database.write_text("something else, and long enough to be looked at")
    with pytest.raises(errors.DatabaseForeign):
        import_clients(database, write(OLD))
    database.unlink()
    import_clients(database, write(OLD))
    with pytest.raises(errors.FileMissing):
        export_clients(database, tmp_path / "no folder" / "out.txt")


def test_claim_codes_are_kept_as_hashes_only(database: Path, write: Callable[[str], Path]) -> None:
    (claim, _) = import_clients(database, write(OLD))
    with closing(sqlite3.connect(database)) as connection:
        dump = "\n".join(connection.iterdump())
    assert claim[1] not in dump
    assert claim[1].encode().hex() not in dump

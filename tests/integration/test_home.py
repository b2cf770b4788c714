import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from peer_service.home import Home
from tests.waiting import eventually
from videoteca_core.errors import FolderUnusable, HomeBusy, NoPeerRunning

HOLD = """
import sys
from pathlib import Path
from peer_service.home import Home
with Home(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""

ASK = """
import sys
from pathlib import Path
from peer_service.home import Home
home = Home(Path(sys.argv[1]))
print("asking", flush=True)
while True:
    home._is_locked()
"""


def test_a_home_is_made_and_its_user_alone_can_enter_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / "home")
    for folder in (home.path, home.socket_path().parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_two_processes_exclude_each_other_and_a_killed_one_does_not_count(tmp_path: Path) -> None:
    home = Home(tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(HomeBusy, match=str(holder.pid)), home.locked():
            pass
        with pytest.raises(HomeBusy):
            home.running_socket()
        holder.kill()
        holder.wait()
    with home.locked():
        pass


def test_without_a_peer_there_is_no_socket_even_if_a_file_was_left(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.raises(NoPeerRunning, match="videoteca peer"):
        home.running_socket()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(home.socket_path()))
    left.close()
    with pytest.raises(NoPeerRunning):
        home.running_socket()


def test_a_long_home_gets_a_short_socket_that_only_its_user_can_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        check_short_socket(tmp_path, Path(runtime))


def check_short_socket(tmp_path: Path, runtime: Path) -> None:
    home = Home(tmp_path / ("long" * 30))
    path = home.socket_path()
    assert len(os.fsencode(path)) < 104
    assert path.parent.parent == runtime
    assert path == Home(tmp_path / ("long" * 30)).socket_path()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_in_the_way_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderUnusable, match="file"):
        Home(tmp_path / "file" / "home")


def test_asking_whether_a_peer_runs_never_stops_one_from_starting(tmp_path: Path) -> None:
    asking = subprocess.Popen(
        [sys.executable, "-c", ASK, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with asking:
        assert asking.stdout
        eventually(asking.stdout.readline)
        for _ in range(50):
            with Home(tmp_path).locked():
                pass
        asking.kill()

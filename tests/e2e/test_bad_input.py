"""Each mistake has its exit code, its reason and a sentence; nothing has a traceback."""

import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.programs import ANY_PORT, Machine
from tests.waiting import eventually

MachineOf = Callable[[str], Machine]


@pytest.fixture(scope="module")
def registered(ana: Machine, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine whose peer has a name and does not run."""
    machine = Machine(tmp_path_factory.mktemp("registered"), ana.tracker)
    machine.register("registered")
    return machine


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("download", "../etc/passwd"), 3, "INVALID_NAME"),
        (("download", "a\x1b[31m.mp4"), 3, "INVALID_NAME"),
        (("download", "x\u202e.mp4"), 3, "INVALID_NAME"),
        (("download", "--", "-rf.mp4"), 3, "INVALID_NAME"),
        (("locate", "n" * 241), 3, "INVALID_NAME"),
        (("locate", "nowhere.mp4"), 4, "VIDEO_UNKNOWN"),
        (("locate", "0" * 64), 4, "VIDEO_UNKNOWN"),
        (("info", "q" * 241), 3, "INVALID_REQUEST"),
        (("register", "../x"), 3, "INVALID_NAME"),
        (("register", "con"), 3, "INVALID_NAME"),
        (("register", "ana"), 6, "NAME_TAKEN"),
        (("register", "x", "no.such.host.invalid"), 3, "INVALID_ADDRESS"),
        (("register", "x", "127.0.0.1", "70000"), 2, "USAGE"),
        (("register", "x", "224.0.0.1", "1030"), 3, "INVALID_ADDRESS"),
        (("publish", "nowhere.mp4"), 12, "NO_PEER_RUNNING"),
        (("withdraw", "clip.mp4"), 12, "NO_PEER_RUNNING"),
        (("status",), 12, "NO_PEER_RUNNING"),
        (("queue", "watch"), 12, "NO_PEER_RUNNING"),
        (("queue", "show", "7"), 4, "DOWNLOAD_UNKNOWN"),
        (("queue", "show"), 2, "USAGE"),
        (("limits",), 12, "NO_PEER_RUNNING"),
        (("limites", "--upload-limit", "20MB"), 2, "USAGE"),
        (("peer", "--download-limit", "49k"), 2, "USAGE"),
        (("peer", "--source-timeout", "0"), 2, "USAGE"),
        (("download", "clip.mp4", "--download-limit", "-1"), 2, "USAGE"),
        (("info", "--tracker", "127.0.0.1:1"), 11, "UNREACHABLE"),
        (("info", "--tracker", "127.0.0.1:port"), 3, "INVALID_ADDRESS"),
        (("peer", "--listen", "203.0.113.7:1030"), 14, "ADDRESS_NOT_HERE"),
        (("peer", "--listen", ANY_PORT, "--shared", "/dev/null"), 17, "FOLDER_UNUSABLE"),
        (("peer", "--listen", ANY_PORT, "--max-uploads", "0"), 2, "USAGE"),
        (("tracker", "--listen", ANY_PORT, "--database", "/none/t.db"), 17, None),
        (("tracker", "--dialable", "everything"), 3, "INVALID_ADDRESS"),
        (("tracker", "import", "nowhere.txt"), 4, "FILE_MISSING"),
        (("shell", "--json"), 2, "USAGE"),
        (("queue", "move", "1"), 2, "USAGE"),
        (("queue", "pause", "one"), 2, "USAGE"),
        (("download",), 2, "USAGE"),
        (("nonsense",), 2, "USAGE"),
        (("info", "--nonsense"), 2, "USAGE"),
        (("info", "--lang", "fr"), 2, "USAGE"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else None,
)
def test_a_mistake_is_told(
    registered: Machine, arguments: tuple[str, ...], code: int, reason: str | None
) -> None:
    program = registered.run("--json", *arguments)

    assert program.code == code, program
    assert program.out == ""
    error = program.error
    assert error["exit_code"] == code
    assert error["message"]
    assert reason in (None, error["reason"])


def test_a_person_gets_a_sentence(registered: Machine) -> None:
    person = registered.run("download", "../etc/passwd")
    spanish = registered.run("--lang", "es", "download", "../etc/passwd")

    assert person.err == "Error: '..' can't be used as a name: it begins with a dot.\n" or (
        "path separator" in person.err
    )
    assert "no sirve como nombre" in spanish.err
    assert person.code == spanish.code == 3


def test_commands_before_registering(ana: Machine, machine_of: MachineOf) -> None:
    stranger = machine_of("stranger")

    for arguments in (("info",), ("locate", "clip.mp4"), ("download", "clip.mp4")):
        ended = stranger.run(*arguments, "--json")
        assert (ended.code, ended.error["reason"]) == (9, "NOT_REGISTERED"), arguments


def test_no_tracker_is_known(tmp_path: Path) -> None:
    ended = Machine(tmp_path).run("info")

    assert ended.code == 2
    assert "--tracker" in ended.err


def test_a_port_in_use_is_named(registered: Machine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        peer = registered.run("peer", "--listen", address)
        tracker = registered.run("tracker", "--listen", address)

    assert peer.code == tracker.code == 14
    assert address in peer.err
    assert address in tracker.err


@pytest.mark.parametrize(
    ("content", "code"), [(b"not a database at all" * 100, 15), (b"SQLite format 3\0", 15)]
)
def test_a_database_that_is_none(machine_of: MachineOf, content: bytes, code: int) -> None:
    machine = machine_of("foreign")
    machine.home.mkdir()
    database = machine.home / "peer.db"
    database.write_bytes(content)

    ended = machine.run("info")

    assert ended.code == code
    assert str(database) in ended.err
    assert database.read_bytes() == content


def test_two_processes_on_one_home(machine_of: MachineOf, ana: Machine) -> None:
    second = ana.run("peer", "--listen", ANY_PORT, "--json")
    shell = ana.run("shell", "--listen", ANY_PORT, typed="info\n")

    assert (second.code, second.error["reason"]) == (13, "HOME_BUSY")
    assert shell.code == 13


def test_files_that_can_not_be_published(ana: Machine) -> None:
    (ana.folder / "folder.mp4").mkdir(exist_ok=True)
    (ana.folder / "-dash.mp4").write_bytes(b"")

    missing = ana.run("publish", "nowhere.mp4", "--json")
    folder = ana.run("publish", "folder.mp4", "--json")
    dash = ana.run("publish", "--json", "--", "-dash.mp4")

    assert (missing.code, missing.error["reason"]) == (4, "FILE_MISSING")
    assert (folder.code, folder.error["reason"]) == (4, "FILE_MISSING")
    assert (dash.code, dash.error["reason"]) == (3, "INVALID_NAME")


def test_who_reads_may_go_away(registered: Machine) -> None:
    with registered.start("info") as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        err = process.stderr.read()
        code = process.wait()

    assert code == 141
    assert err == ""


def test_ctrl_c_stops_a_waiting_download_cleanly(machine_of: MachineOf, ana: Machine) -> None:
    owner, waiting = machine_of("gone"), machine_of("patient")
    (owner.folder / "rare.mp4").write_bytes(b"rare")
    with owner.running("peer", "--name", "gone", "--listen", ANY_PORT):
        assert owner.run("publish", "rare.mp4").code == 0
    waiting.register("patient")

    with waiting.start("download", "rare.mp4") as process:
        assert process.stdout
        assert "rare.mp4" in process.stdout.readline()
        assert "waiting" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "goes on from there" in err
    assert "Traceback" not in err
    (download,) = waiting.run("queue", "--json").json["downloads"]
    assert download["state"] == "waiting"
    assert "rare.mp4" in waiting.run("cola", "--lang", "es").out


def test_ctrl_c_leaves_the_download_to_the_running_peer(
    machine_of: MachineOf, ana: Machine
) -> None:
    owner, waiting = machine_of("gone-too"), machine_of("busy")
    (owner.folder / "rare-too.mp4").write_bytes(b"rare too")
    with owner.running("peer", "--name", "gone-too", "--listen", ANY_PORT):
        assert owner.run("publish", "rare-too.mp4").code == 0

        with waiting.running("peer", "--name", "busy", "--listen", ANY_PORT):
            pass
    with (
        waiting.running("peer", "--listen", ANY_PORT),
        waiting.start("download", "rare-too.mp4") as process,
    ):
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "queue of the running peer" in err
        assert eventually(lambda: waiting.run("queue", "--json").json["downloads"])

"""The program around its commands: help, languages, options, completion, imports."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.commands import COMMANDS, QUEUE_COMMANDS, TRACKER_COMMANDS
from tests.processes import PROGRAM
from tests.programs import ANY_PORT, Machine

MachineOf = Callable[[str], Machine]

_SLOW = ("rich", "prompt_toolkit", "structlog", "sqlalchemy", "alembic")


def test_help_lists_every_command_with_its_alias(tmp_path: Path) -> None:
    english = Machine(tmp_path).run("--help")
    spanish = Machine(tmp_path).run("--help", VIDEOTECA_LANG="es")

    for entry in COMMANDS:
        assert f"  {', '.join(entry.names)}  " in english.out
    assert "Usage:" in english.out
    assert "Uso:" in spanish.out
    assert "Órdenes:" in spanish.out
    assert "Show" not in spanish.out


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize(
    "words",
    [
        *((entry.alias,) for entry in COMMANDS),
        *(("cola", entry.alias) for entry in QUEUE_COMMANDS),
        *(("rastreador", entry.alias) for entry in TRACKER_COMMANDS),
    ],
    ids=" ".join,
)
def test_every_command_has_help(tmp_path: Path, words: tuple[str, ...], language: str) -> None:
    ended = Machine(tmp_path).run("--lang", language, *words, "--help")

    assert ended.code == 0, ended
    assert ("Usage:" if language == "en" else "Uso:") in ended.out
    assert ("Global options:" if language == "en" else "Opciones globales:") in ended.out


def test_the_version(tmp_path: Path) -> None:
    assert Machine(tmp_path).run("--version").out.startswith("videoteca ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--json", "--home", "HOME", "status"),
        ("status", "--json", "--home", "HOME"),
        ("--json", "estado", "--home=HOME"),
        ("--home", "elsewhere", "--json", "status", "--home", "HOME"),
        ("queue", "--json", "watch", "--home", "HOME"),
    ],
    ids=" ".join,
)
def test_global_options_stand_anywhere(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    home = str(tmp_path / "the home")
    placed = (each.replace("HOME", home) for each in arguments)

    ended = Machine(tmp_path).run(*placed)

    assert ended.error["reason"] == "NO_PEER_RUNNING"
    assert ended.error["fields"]["home"] == home


def test_the_locale_chooses_the_language(tmp_path: Path) -> None:
    machine = Machine(tmp_path)

    assert "marcha" in machine.run("status", LC_ALL="es_CR.UTF-8").err
    assert "running" in machine.run("status", LC_ALL="es_CR.UTF-8", VIDEOTECA_LANG="en").err
    assert "marcha" in machine.run("status", "--lang", "es").err
    assert "No existe la orden" in machine.run("nonsense", "--lang", "es").err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(tmp_path: Path, shell: str) -> None:
    ended = Machine(tmp_path).run("completion", shell)

    assert ended.code == 0
    assert f"_VIDEOTECA_COMPLETE={shell}_complete" in ended.out


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("videoteca desc", "descargar"),
        ("videoteca down", "download"),
        ("videoteca queue res", "resume"),
        ("videoteca info --tr", "--tracker"),
        ("videoteca completion z", "zsh"),
    ],
)
def test_completion_completes(tmp_path: Path, words: str, wanted: str) -> None:
    ended = Machine(tmp_path).run(
        _VIDEOTECA_COMPLETE="bash_complete",
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split()) - 1),
    )

    assert wanted in [line.partition(",")[2] for line in ended.out.splitlines()]


def _imported(arguments: list[str], machine: Machine) -> set[str]:
    """The packages that the program imports for a command line."""
    script = (
        "import json, sys; from cli import main; main.run(json.loads(sys.argv[1]));"
        "print('\\n' + json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script, json.dumps(arguments)],
        env=machine.environment(),
        cwd=machine.folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return set(json.loads(printed.splitlines()[-1]))


def test_quick_commands_import_nothing_slow(ana: Machine) -> None:
    assert not _imported(["--help"], ana) & {*_SLOW, "grpc", "asyncio", "sqlite3"}
    assert not _imported(["info"], ana) & {*_SLOW}
    assert not _imported(["locate", "clip.mp4"], ana) & {*_SLOW}
    assert not _imported(["queue", "list"], ana) & {*_SLOW}


def test_an_old_client_file_is_taken_over(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.home.mkdir()
    old = tmp_path / "bd_clientes.txt"
    old.write_text("1\nrosa 127.0.0.1 1030 2\nplaya.mp4\nmi%20boda.mp4\n", encoding="utf-8")

    (client,) = machine.run("tracker", "import", old, "--json").json["clients"]
    with machine.running("tracker", "--listen", ANY_PORT) as started:
        person = Machine(tmp_path / "rosa", f"127.0.0.1:{started['listen']['port']}")
        person.folder.mkdir()
        refused = person.run("register", "rosa", "--json")
        claimed = person.run("insc", "rosa", "--claim", client["claim_code"], "--json")
        videos = person.run("info", "--json").json["videos"]
        download = person.run("download", "playa.mp4", "--json")
        located = person.run("locate", "playa.mp4")
    exported = machine.run("rastreador", "exportar", tmp_path / "new.txt")

    assert client["name"] == "rosa"
    assert (refused.code, refused.error["reason"]) == (10, "CLAIM_REFUSED")
    assert claimed.code == 0, claimed
    assert [video["name"] for video in videos] == ["mi boda.mp4", "playa.mp4"]
    assert {video["video_id"] for video in videos} == {""}
    assert (download.code, download.error["reason"]) == (7, "NOT_PUBLISHED")
    assert "not published here yet" in located.out
    assert exported.code == 0
    assert "mi%20boda.mp4" in (tmp_path / "new.txt").read_text(encoding="utf-8")


def test_a_broken_client_file_is_told_by_its_line(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (tmp_path / "broken.txt").write_text("2\nrosa 127.0.0.1 1030 0\nluis nowhere\n")

    ended = machine.run("tracker", "import", "broken.txt")

    assert ended.code == 3
    assert "broken.txt, line 3" in ended.err


def test_verify_finds_what_was_damaged(ana: Machine, machine_of: MachineOf) -> None:
    sara = machine_of("sara")
    (sara.folder / "clip2.mp4").write_bytes(bytes(3 << 20))
    with sara.running("peer", "--name", "sara", "--listen", ANY_PORT):
        assert sara.run("publish", "clip2.mp4").code == 0
        shared = sara.folder / "videos_compartidos" / "clip2.mp4"
        intact = sara.run("verify", "--json")
        before = shared.stat()
        with shared.open("r+b") as file:
            file.seek(1 << 20)
            file.write(b"x")
        os.utime(shared, ns=(before.st_atime_ns, before.st_mtime_ns))
        damaged = sara.run("verificar", "--json")

    assert intact.code == 0
    assert intact.json["files"][0]["state"] == "intact"
    assert (damaged.code, damaged.error["reason"]) == (21, "FILES_NOT_INTACT")
    assert damaged.json["files"][0]["damaged_pieces"] == [1]


def test_output_that_can_not_be_written(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*PROGRAM, "--help"],
            env=machine.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert ended.returncode == 16
    assert ended.stderr == "Error: The disk of standard output is full; make room.\n"

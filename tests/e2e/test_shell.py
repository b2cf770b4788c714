"""The prompt with its input piped: the old commands, their answers, and the ends of a session."""

import re
import signal
from collections.abc import Callable

from tests.programs import ANY_PORT, CLIP, Machine

MachineOf = Callable[[str], Machine]


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def test_a_whole_session(ana: Machine, machine_of: MachineOf) -> None:
    lola = machine_of("lola")
    (lola.folder / "mine one.mp4").write_bytes(b"mine")
    (lola.folder / "mine2.mp4").write_bytes(b"mine too")
    typed = _lines(
        "",
        "info",
        "videos mine2.mp4",
        "INSC ana 127.0.0.1 1030",
        "descargar clip.mp4",
        "insc",
        "insc lola 127.0.0.1 port",
        "Insc lola",
        "videos 'mine one.mp4'",
        "VIDEOS lola 1 mine2.mp4",
        "videos lola 3 mine2.mp4",
        "videos ana 1 mine2.mp4",
        "videos nowhere.mp4",
        "videos 'mine",
        "hello there",
        "INFO",
        "locate clip.mp4",
        "descargar",
        "descargar nowhere.mp4",
        "cola",
        "cola nonsense 1",
        "cola ver",
        "cola ver 9",
        "estado",
        "retirar mine2.mp4",
        "ayuda",
        "DESCARGAR clip.mp4",
    )

    ended = lola.run("shell", "--listen", ANY_PORT, typed=typed)

    assert ended.code == 0, ended
    assert ended.err == ""
    out = ended.out
    assert out.count("Register first: insc NAME") == 3
    assert "The name 'ana' is taken" in out
    assert out.count("Wrong format; it is: insc NAME [IP [PORT]]") == 2
    assert "Registered as 'lola'." in out
    assert "Published: 'mine one.mp4' (4 B)" in out
    assert "Published: 'mine2.mp4' (8 B)" in out
    assert out.count("Wrong format; it is: videos FILE...") == 2
    assert "There is no file 'nowhere.mp4'." in out
    assert "A quote is not closed" in out
    assert "Unknown command 'hello'; there are: insc, videos, " in out
    assert re.search(r"^clip\.mp4 +5\.1 MB", out, re.MULTILINE)
    assert re.search(r"^ana +127\.0\.0\.1:\d+ +complete", out, re.MULTILINE)
    assert "Wrong format; it is: descargar VIDEO..." in out
    assert "There is no video 'nowhere.mp4'." in out
    assert "Download added to the queue: 'clip.mp4' (5.1 MB)." in out
    assert out.count("Wrong format; it is: cola [") == 2
    assert "There is no download 9" in out
    assert re.search(r"^name: +lola$", out, re.MULTILINE)
    assert "'mine2.mp4' is no longer shared." in out
    percents = [int(each) for each in re.findall(r"^clip\.mp4: (\d+) %", out, re.MULTILINE)]
    assert percents == list(range(10, 101, 10))
    received = lola.folder / "videos_recibidos" / "clip.mp4"
    assert out.endswith(f"clip.mp4: done: {received}\n"), "the end of the input waits for it"
    assert received.read_bytes() == CLIP


def test_limits_are_changed_at_the_prompt(ana: Machine, machine_of: MachineOf) -> None:
    rosa = machine_of("rosa")
    rosa.register("rosa")
    typed = _lines(
        "limites",
        "limits upload 2M",
        "límites --download-limit 5M subida ninguno",
        "limites bajada 1k",
        "limites bajada",
        "limites nonsense 5M",
        "salir",
    )

    ended = rosa.run("shell", "--listen", ANY_PORT, "--upload-limit", "1M", typed=typed)

    assert ended.code == 0, ended
    shown = re.findall(r"^(upload|download) limit: +(.*)$", ended.out, re.MULTILINE)
    assert [what for _which, what in shown] == [
        *("1.0 MB/s", "none"),
        *("2.0 MB/s", "none"),
        *("none", "5.0 MB/s"),
    ]
    assert "'1k' is not a rate: it is bytes a second, at least 50k" in ended.out
    assert ended.out.count("Wrong format; it is: limites [subida RATE] [bajada RATE]") == 2


def test_a_registered_home_need_not_register_again(ana: Machine, machine_of: MachineOf) -> None:
    mario = machine_of("mario")
    mario.register("mario")

    ended = mario.run(
        "consola", "--listen", ANY_PORT, "--lang", "es", typed=_lines("info", "SALIR")
    )

    assert ended.code == 0, ended
    assert "El par «mario» está en marcha" in ended.out
    assert "clip.mp4" in ended.out


def test_starting_with_a_name_registers(ana: Machine, machine_of: MachineOf) -> None:
    nina = machine_of("nina")

    ended = nina.run(
        "shell", "--listen", ANY_PORT, "--name", "nina", typed="ubicar clip.mp4\nexit\n"
    )
    taken = machine_of("other").run("shell", "--listen", ANY_PORT, "--name", "nina")

    assert ended.code == 0
    assert "ana" in ended.out
    assert taken.code == 6


def test_leaving_does_not_wait(ana: Machine, machine_of: MachineOf) -> None:
    owner, oscar = machine_of("owner"), machine_of("oscar")
    (owner.folder / "late.mp4").write_bytes(b"late")
    with owner.running("peer", "--name", "owner", "--listen", ANY_PORT):
        assert owner.run("publish", "late.mp4").code == 0

    typed = _lines("insc oscar", "descargar late.mp4", "salir", "info")
    ended = oscar.run("shell", "--listen", ANY_PORT, typed=typed)

    assert ended.code == 0
    assert "Download added to the queue: 'late.mp4' (4 B)." in ended.out
    assert "Downloads left in the queue: 1" in ended.out
    assert "SIZE" not in ended.out, "nothing is read after 'salir'"


def test_no_server_there(ana: Machine, machine_of: MachineOf) -> None:
    pablo = machine_of("pablo")

    typed = _lines("insc pablo", "info")
    ended = pablo.run("shell", "--listen", ANY_PORT, typed=typed, VIDEOTECA_TRACKER="127.0.0.1:1")

    assert ended.code == 0
    assert "There is no server there: No tracker answers at 127.0.0.1:1" in ended.out


def test_sigterm_ends_it(ana: Machine, machine_of: MachineOf) -> None:
    with machine_of("quique").start("shell", "--listen", ANY_PORT) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _out, err = process.communicate(timeout=30)

    assert process.returncode == 143
    assert err == ""

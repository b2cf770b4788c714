import pytest

from tracker_service.legacy import LegacyClient, format_clients, parse
from videoteca_core import errors
from videoteca_core.addresses import Endpoint

OLD = """2
ana 10.0.0.7 1030 2
clip.mp4
A%C3%B1o%20nuevo.mp4
luis%20m 10.0.0.8 1031 0
"""
CLIENTS = (
    LegacyClient("ana", Endpoint("10.0.0.7", 1030), ("clip.mp4", "Año nuevo.mp4")),
    LegacyClient("luis m", Endpoint("10.0.0.8", 1031), ()),
)


def test_the_old_file_is_read() -> None:
    assert parse(OLD, "x") == CLIENTS
    assert parse(OLD.replace("\n", "\r\n") + "\r\n\n", "x") == CLIENTS
    assert parse("0\n", "x") == ()


def test_a_video_that_was_published_twice_is_one() -> None:
    (ana,) = parse("1\nana 10.0.0.7 1030 2\nclip.mp4\nclip.mp4\n", "x")
    assert ana.videos == ("clip.mp4",)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("two\n", 1),
        ("-1\n", 1),
        ("²\n", 1),
        ("1\n", 2),
        ("1\nana 10.0.0.7 1030\n", 2),
        ("1\nana 10.0.0.7 1030 0 9\n", 2),
        ("1\nana home 1030 0\n", 2),
        ("1\nana 10.0.0.7 70000 0\n", 2),
        ("1\nana 10.0.0.7 1030 1\n", 3),
        ("1\nana 10.0.0.7 1030 1\n\n", 3),
        ("1\n..%2Fana 10.0.0.7 1030 0\n", 2),
        ("1\nana 10.0.0.7 1030 1\na%0Ab\n", 3),
        ("1\nana 10.0.0.7 1030 1\na%FFb\n", 3),
        ("1\nana 10.0.0.7 1030 0\nleo 10.0.0.8 1030 0\n", 3),
        ("2\nana 10.0.0.7 1030 1\na\nana 10.0.0.8 1030 0\n", 4),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(errors.InvalidLegacyFile) as caught:
        parse(text, "bd_clientes.txt")
    assert caught.value.fields["line"] == str(line)
    assert caught.value.fields["path"] == "bd_clientes.txt"


def test_white_space_and_percent_signs_come_back() -> None:
    names = ("100% a.mp4", "50%20off", "no\N{NO-BREAK SPACE}break")
    clients = [LegacyClient(name, None, names) for name in names]
    text = format_clients(clients)
    assert "100%25%20a.mp4" in text
    assert parse(text, "x") == tuple(clients)

"""Whatever the names, an old client file that was written is read as it was."""

from hypothesis import given
from hypothesis import strategies as st

from tracker_service.legacy import LegacyClient, format_clients, parse
from videoteca_core.addresses import Endpoint
from videoteca_core.errors import InvalidLegacyFile, InvalidName
from videoteca_core.names import valid_name


def is_valid(raw: str) -> bool:
    try:
        return valid_name(raw) == raw
    except InvalidName:
        return False


NAMES = st.text(
    st.sampled_from("aé% \N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}25/C") | st.characters(),
    min_size=1,
    max_size=20,
).filter(is_valid)
ENDPOINTS = st.none() | st.builds(
    Endpoint.of, st.ip_addresses().map(str), st.integers(min_value=1, max_value=65_535)
)
CLIENTS = st.lists(
    st.builds(LegacyClient, NAMES, ENDPOINTS, st.lists(NAMES, unique=True).map(tuple)),
    unique_by=lambda client: client.name,
    max_size=5,
)


@given(CLIENTS)
def test_what_is_written_is_read(clients: list[LegacyClient]) -> None:
    assert parse(format_clients(clients), "x") == tuple(clients)


@given(
    st.text() | st.lists(st.sampled_from(["1\n", "2\n", "a 10.0.0.1 1 1\n", "b\n"])).map("".join)
)
def test_anything_else_is_refused_by_its_error(text: str) -> None:
    try:
        clients = parse(text, "x")
    except InvalidLegacyFile:
        return
    assert parse(format_clients(clients), "x") == clients

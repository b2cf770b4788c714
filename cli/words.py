"""Words of the services' enumerations, marked for translation here because they are shown here."""

from gettext import gettext as _

from peer_service.transfer.model import HeldBack, SourceState
from videoteca_core.text import N_

_DOWNLOAD_STATES = (
    N_("waiting"),
    N_("running"),
    N_("paused"),
    N_("done"),
    N_("failed"),
    N_("cancelled"),
)
_HOLDING_STATES = (N_("complete"), N_("partial"), N_("offline"))
_REACHABILITIES = {
    "not serving": N_("it only downloads"),
    "pending": N_("not tried yet"),
    "proved": N_("yes"),
    "unreachable": N_("no: it did not answer there as this peer (a firewall, or another address?)"),
}
_FILE_STATES = (
    N_("intact"),
    N_("damaged"),
    N_("changed"),
    N_("missing"),
    N_("unreadable"),
)
_SOURCE_STATES = {
    SourceState.CONNECTING: N_("connecting"),
    SourceState.FETCHING: N_("sends"),
    SourceState.WAITING: N_("waits for a slot"),
    SourceState.IDLE: N_("has nothing new"),
    SourceState.DROPPED: N_("dropped"),
    SourceState.LEFT: N_("not in use"),
}
_HELD_BACK = {
    HeldBack.OUR_LIMIT: N_("our limit"),
    HeldBack.THEIR_LIMIT: N_("their limit"),
    HeldBack.THEIR_SLOTS: N_("their slots"),
    HeldBack.NETWORK: N_("network"),
    HeldBack.DISK: N_("disk"),
    HeldBack.NO_SOURCE: N_("no source"),
}
_TO_WHOM = (N_("tracker"), N_("peer"))


def word(value: str) -> str:
    """The word for an enumeration's value."""
    return _(_REACHABILITIES.get(value, value))


def source_word(state: SourceState) -> str:
    """What a source does for a download."""
    return _(_SOURCE_STATES[state])


def held_back_word(held_back: HeldBack) -> str:
    """What holds a download back."""
    return _(_HELD_BACK[held_back])

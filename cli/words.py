"""Words of the services' enumerations, marked for translation here because they are shown here."""

from gettext import gettext as _

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
_TO_WHOM = (N_("tracker"), N_("peer"))


def word(value: str) -> str:
    """The word for an enumeration's value."""
    return _(_REACHABILITIES.get(value, value))

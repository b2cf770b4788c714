"""The words that the prompt understands."""

from dataclasses import dataclass

from videoteca_core.text import N_


@dataclass(frozen=True)
class Word:
    """A command of the prompt.

    Attributes:
        names: what it is called; the first is shown.
        forms: how it is written, to be translated, a line each.
        summary: what it does, to be translated.
    """

    names: tuple[str, ...]
    forms: str
    summary: str


REGISTER = Word(
    ("insc", "register"), N_("insc NAME [IP [PORT]]"), N_("register this peer under a name")
)
PUBLISH = Word(
    ("videos", "publish"),
    N_("videos FILE...   or   videos NAME COUNT FILE..."),
    N_("share files with the others"),
)
WITHDRAW = Word(("retirar", "withdraw"), N_("retirar NAME..."), N_("stop sharing videos"))
INFO = Word(("info",), N_("info [TEXT]"), N_("list the videos, or those with TEXT in their name"))
LOCATE = Word(("ubicar", "locate"), N_("ubicar VIDEO"), N_("show who has a video, and where"))
DOWNLOAD = Word(
    ("descargar", "download"), N_("descargar VIDEO..."), N_("add videos to the download queue")
)
QUEUE = Word(
    ("cola", "queue"),
    N_("cola [ver|pausar|reanudar|reintentar|cancelar NUMBER... | mover NUMBER PLACE]"),
    N_("show the queue, or change it"),
)
STATUS = Word(("estado", "status"), N_("estado"), N_("show how this peer is doing"))
LIMITS = Word(
    ("limites", "limits", "límites"),
    N_("limites [subida RATE] [bajada RATE]"),
    N_("show or change how fast this peer may send and receive"),
)
HELP = Word(("ayuda", "help", "?"), N_("ayuda"), N_("show these commands"))
LEAVE = Word(("salir", "exit", "quit"), N_("salir"), N_("stop this peer and leave"))

LIMIT_WORDS = {
    "subida": "upload_limit",
    "bajada": "download_limit",
    "upload": "upload_limit",
    "download": "download_limit",
    "--upload-limit": "upload_limit",
    "--download-limit": "download_limit",
}
"""Which limit a word of ``limites`` means; as on the command line too."""

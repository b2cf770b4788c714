"""One command a file; what they are called and say of themselves in the list of commands."""

from cli.framework import Entry
from videoteca_core.text import N_

COMMANDS = (
    Entry("tracker", "rastreador", "tracker:command", N_("Run a tracker: it knows who has what.")),
    Entry("peer", "par", "peer:command", N_("Run this machine's peer: it shares and downloads.")),
    Entry("shell", "consola", "shell:command", N_("Run a peer with a prompt to type at.")),
    Entry("register", "insc", "register:command", N_("Register this peer under a name.")),
    Entry("publish", "videos", "publish:command", N_("Share files with the others.")),
    Entry("withdraw", "retirar", "withdraw:command", N_("Stop sharing videos; keep the files.")),
    Entry("info", "info", "info:command", N_("List the videos that can be had.")),
    Entry("locate", "ubicar", "locate:command", N_("Show who has a video, and where.")),
    Entry("download", "descargar", "download:command", N_("Download videos and follow them.")),
    Entry("queue", "cola", "queue:command", N_("Show and change the queue of downloads.")),
    Entry("verify", "verificar", "verify:command", N_("Read the files again and check them.")),
    Entry("status", "estado", "status:command", N_("Show how this machine's peer is doing.")),
    Entry("limits", "limites", "limits:command", N_("Show or change how fast the peer may be.")),
    Entry("demo", "demo", "demo:command", N_("Show it all on this machine, with a real video.")),
    Entry("completion", "completado", "completion:command", N_("Print the completion of a shell.")),
)

QUEUE_COMMANDS = (
    Entry("list", "listar", "queue:list_", N_("List the downloads, the next one first.")),
    Entry("show", "ver", "queue:show", N_("Show downloads in full, with their sources.")),
    Entry("watch", "seguir", "queue:watch", N_("Follow the downloads until all have ended.")),
    Entry("pause", "pausar", "queue:pause", N_("Hold downloads until they are resumed.")),
    Entry("resume", "reanudar", "queue:resume", N_("Let paused downloads go on.")),
    Entry("retry", "reintentar", "queue:retry", N_("Try failed or waiting downloads now.")),
    Entry("cancel", "cancelar", "queue:cancel", N_("Give downloads up.")),
    Entry("move", "mover", "queue:move", N_("Change a download's place or priority.")),
)

TRACKER_COMMANDS = (
    Entry("import", "importar", "tracker:import_", N_("Take over an old bd_clientes.txt.")),
    Entry("export", "exportar", "tracker:export", N_("Write an old bd_clientes.txt.")),
)

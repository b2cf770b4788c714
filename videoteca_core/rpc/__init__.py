"""How every channel and server of Videoteca is made, and how errors cross the wire."""

"""The shared folders: what is in them, what it hashes to, and what of it is shared."""

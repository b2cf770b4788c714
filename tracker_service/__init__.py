"""The tracker: the catalogue of who shares which video, and its service."""

"""What this peer shares: the folders, what is in their files, and how they are read."""

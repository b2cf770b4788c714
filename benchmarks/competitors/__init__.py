"""The other systems, each set up as its own documents advise for speed."""

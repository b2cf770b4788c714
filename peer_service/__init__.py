"""A peer: shares folders with the other peers and downloads from them."""

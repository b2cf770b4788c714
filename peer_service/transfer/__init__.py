"""How one video is fetched: the plan, its sources, and the partial file."""

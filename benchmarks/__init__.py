"""Side-by-side measurements against other systems; see docs/performance.md."""

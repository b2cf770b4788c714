"""The persistent queue of downloads and the worker that runs them."""

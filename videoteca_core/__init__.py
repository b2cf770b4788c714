"""The words that every part of Videoteca speaks: ids, manifests, names, addresses, errors."""

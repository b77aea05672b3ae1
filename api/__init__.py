"""The faces: HTTP, page and command line; the only room that knows all others."""

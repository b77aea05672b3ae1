"""Routes of the HTTP face, one module a topic."""

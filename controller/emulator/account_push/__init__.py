"""Pushing an account into the books: what is asked for by platform, and the push operation that carries it."""

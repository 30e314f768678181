"""Builds the book: executes the chapters, renders them with Sphinx, serves the result."""

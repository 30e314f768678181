"""Losses: embedding."""

__all__ = []

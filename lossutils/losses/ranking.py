"""Losses: ranking."""

__all__ = []

"""Losses: sequence."""

__all__ = []

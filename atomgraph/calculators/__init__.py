"""Doors to simulation engines."""

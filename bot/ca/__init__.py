"""Certification authorities behind one protocol."""

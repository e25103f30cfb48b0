"""Tests of the rights room."""

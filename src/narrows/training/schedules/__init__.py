"""Schedules: in which phases a network is trained."""

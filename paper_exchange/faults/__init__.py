"""Faults on request: what a network and an exchange do to their clients, by a script with a seed and time windows.

Nothing in here does I/O or looks at a clock: these modules say what shall happen to a message or a request, the server
does it.
"""

"""The `blazon` command.

Each group of commands is a module that is loaded when it is used, so that help and completion come at once.
"""

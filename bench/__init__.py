"""Benchmarks: `make bench`, or `make bench ARGS="commit http"` for some of them.

Every figure stands beside a limit measured in the same run by a tool written in C, because the machine is never twice
the same. Durable figures are measured twice: as the disk is, and with one millisecond added to every fsync, since the
disks of virtual machines answer before they have written.
"""

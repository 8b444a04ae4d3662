"""Folding of events into columns, one module per event type.

Every fold is a set of registers that merge in any order (sums per bucket, minima, maxima, last-write-wins by
time), so the state at a tick depends on which events count from it, never on the order in which feeds were
read.
"""

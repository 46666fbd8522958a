"""Interleaved range coding with the tables of the rate model, decoding only."""

import numpy as np

import rate
from malformed import Malformed

LANES, LOWEST = 8, 1 << 16
STATES = 4 * LANES


def _layout(frequencies_of_tables, escapes):
    """For each table: the value of each of the 4096 slots, and start and frequency of each value."""
    tables = []
    for frequencies, escape in zip(frequencies_of_tables.tolist(), escapes.tolist()):
        values, shares = [], {}
        for value in range(-escape, escape + 1):
            shares[value] = (len(values), frequencies[abs(value)])
            values += [value] * frequencies[abs(value)]
        assert len(values) == 1 << rate.RANGE_BITS
        tables.append((values, shares, escape))
    return tables


# By quantiser.
_TABLES = [_layout(*tables) for tables in zip(rate.FREQUENCIES, rate.ESCAPES)]


class Decoder:
    """Reads one run."""

    def __init__(self, run):
        if len(run) < STATES or len(run) % 2:
            raise Malformed("length of a run")
        self.states = np.frombuffer(run[:STATES], "<u4").tolist()
        self.words = np.frombuffer(run[STATES:], "<u2").tolist()
        self.at = 0
        if min(self.states) < LOWEST:
            raise Malformed("a state of a run")

    def _advance(self, lane, start, frequency):
        state = self.states[lane]
        state = frequency * (state >> 12) + (state & 4095) - start
        if state < LOWEST:
            if self.at == len(self.words):
                raise Malformed("a run that ends early")
            state = (state << 16) | self.words[self.at]
            self.at += 1
        self.states[lane] = state

    def _bits(self, lane, count):
        """Equally likely bits: the upper ones first, where there are more than 12."""
        if count > 12:
            high = self._bits(lane, count - 12)
            return (high << 12) | self._bits(lane, 12)
        if count == 0:
            return 0
        value = (self.states[lane] & 4095) >> (12 - count)
        self._advance(lane, value << (12 - count), 1 << (12 - count))
        return value

    def value(self, lane, quantiser, table, low_bits):
        """The next value of a lane."""
        values, shares, escape = _TABLES[quantiser][table]
        high = values[self.states[lane] & 4095]
        self._advance(lane, *shares[high])
        if abs(high) == escape:
            zeros = 0
            while zeros < 24 and self._bits(lane, 1) == 0:
                zeros += 1
            beyond = (1 << zeros) + self._bits(lane, zeros) - 1
            high += beyond if high > 0 else -beyond
        if low_bits == 0:
            return high
        return (high << low_bits) + self._bits(lane, low_bits) - (1 << (low_bits - 1))

    def finish(self):
        """Checks that the run was used up and the states are the initial ones."""
        if self.at != len(self.words) or self.states != [LOWEST] * LANES:
            raise Malformed("the end of a run")

"""Counts checks and prints one line for each."""

DECODE_LIMIT = 2.0**-22  # what sines and cosines may do, of a row's norm


class Report:
    """What passed and what failed."""

    def __init__(self):
        self.passed = self.failed = 0

    def line(self, name, figures, failures):
        """One group: its figures, and what failed in it."""
        print(f"{'ok    ' if not failures else 'FAILED'} {name}: {figures}", flush=True)
        for failure in failures[:10]:
            print(f"         {failure}", flush=True)
        if len(failures) > 10:
            print(f"         and {len(failures) - 10} more", flush=True)
        self.failed += bool(failures)
        self.passed += not failures

    def finish(self):
        """Prints the totals; returns the exit code."""
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0


def summary(values):
    """Mean, smallest and largest of some figures."""
    return f"mean {sum(values) / len(values):.4f} ({min(values):.4f} to {max(values):.4f})"

"""Holds the library against an independent implementation in numpy.

    check.py --library libkakeyaturbo.so --fixture smollm2-135m-test.safetensors

Prints a line per group with the figures that it saw, then `N passed, N failed`; exits with 1 if any failed.
"""

import argparse
import sys

import format_checks
import kakeya_checks
import turbo_checks
from capi import Library
from report import Report
from rows import fixture


def main():
    """Runs every group."""
    parser = argparse.ArgumentParser(description="Checks libkakeyaturbo against an implementation in numpy.")
    parser.add_argument("--library", required=True, help="the shared library")
    parser.add_argument("--fixture", required=True, help="safetensors file with layers.N.k and layers.N.v")
    arguments = parser.parse_args()
    library, real, report = Library(arguments.library), fixture(arguments.fixture), Report()
    print(f"kakeyaturbo {library.version()}, {len(real)} blocks of {real[0].values.shape} real rows", flush=True)

    format_checks.tables(report)
    turbo_checks.error_and_rate(library, report, real)
    turbo_checks.distortions(library, report, real)
    kakeya_checks.fitting(library, report, real)
    kakeya_checks.coding(library, report, real)
    format_checks.decoding(library, report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())

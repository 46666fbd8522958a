"""Holds the library against an independent implementation in numpy.

    check.py --library libkakeyaturbo.so --fixture smollm2-135m-test.safetensors

The rows that skeletons are fitted on lie beside the fixture, in a file with `train` in place of `test`.

Prints a line per group with the figures that it saw, then `N passed, N failed`; exits with 1 if any failed.
"""

import argparse
import pathlib
import sys

import format_checks
import golden_checks
import kakeya_checks
import profile_checks
import rdo_checks
import session_checks
import turbo_checks
from capi import Library
from report import Report
from rows import fixture


def main():
    """Runs every group."""
    parser = argparse.ArgumentParser(description="Checks libkakeyaturbo against an implementation in numpy.")
    parser.add_argument("--library", required=True, help="the shared library")
    fixture_help = "safetensors file with layers.N.k and layers.N.v"
    parser.add_argument("--fixture", required=True, type=pathlib.Path, help=fixture_help)
    arguments = parser.parse_args()
    library, real, report = Library(arguments.library), fixture(arguments.fixture), Report()
    print(f"kakeyaturbo {library.version()}, {len(real)} blocks of {real[0].values.shape} real rows", flush=True)

    format_checks.tables(report)
    golden_checks.stored(report)
    golden_checks.refused(report)
    golden_checks.profile(report)
    turbo_checks.error_and_rate(library, report, real)
    turbo_checks.distortions(library, report, real)
    kakeya_checks.fitting(library, report, real)
    kakeya_checks.coding(library, report, real)
    train = arguments.fixture.with_name(arguments.fixture.name.replace("-test", "-train"))
    rdo_checks.coding(library, report, train, arguments.fixture)
    format_checks.decoding(library, report)
    profile_checks.reading(library, report)
    session_checks.reading(arguments.library, report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())

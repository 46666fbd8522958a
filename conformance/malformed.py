"""What a reader says of bytes that it refuses."""

CORRUPT, TRUNCATED, WRONG_CODEC, WRONG_VERSION = "CORRUPT", "TRUNCATED", "WRONG_CODEC", "WRONG_VERSION"
UNSUPPORTED = "UNSUPPORTED"  # said of a file that is not a session


class Malformed(Exception):
    """The bytes are not what the format allows; `status` says in what way."""

    def __init__(self, what, status=CORRUPT):
        super().__init__(what)
        self.status = status


def require(condition, what, status=CORRUPT):
    """Raises `Malformed` where a condition of the format does not hold."""
    if not condition:
        raise Malformed(what, status)

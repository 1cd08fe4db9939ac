"""Define the refusal of a token or an assertion, with a message that the client may see."""


class Refusal(Exception):  # noqa: N818 - a decision, not an error
    """Refused."""

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason or (type(self).__doc__ or "")
        super().__init__(self.reason)

"""What a refusal at the door is: a decision, whose message its reader may see."""


class Refusal(Exception):  # noqa: N818 - a decision, no error
    """Refused."""

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason or (type(self).__doc__ or "")
        super().__init__(self.reason)

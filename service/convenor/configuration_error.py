"""Define the error that only an operator can correct: a disk, an address, a password. API callers never see it."""


class ConfigurationError(Exception):
    """Convenor cannot continue until the operator has corrected something.

    Args:
        problem: What is wrong, in a plain sentence without any password.
        remedy: What to do about it, as specific as possible.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n{self.remedy}"

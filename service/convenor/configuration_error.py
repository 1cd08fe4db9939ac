"""What only the person who runs Convenor can mend: a disk, an address, a password. API callers never see these."""


class ConfigurationError(Exception):
    """Convenor cannot go on until the person who runs it has mended something.

    Args:
        problem: What is wrong, in a plain sentence without any password.
        remedy: What to do about it, as specific as is known.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n{self.remedy}"

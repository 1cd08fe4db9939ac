"""What is refused where a school's statements contradict each other, or leave open who is meant."""

from collections.abc import Sequence

from convenor.problems import FieldError, Invalid, Member, Problem
from convenor.referrals.queries import Known


class AlreadyOpen(Problem):
    """This pupil already has an open referral to this service."""

    status, code, title = 409, "referral_already_open", "Referral already open"
    cause = "A pupil of a school has at most one open referral to a service. `referral` names it."
    remedy = "Follow the open referral instead, or withdraw it."
    carries = (Member("referral", str, "the open referral's code."),)

    def __init__(self, known: Known) -> None:
        self.known = (known,)
        code = known.referral.code
        super().__init__(f"This pupil already has an open referral to this service: {code}.", extra={"referral": code})


class SameNameAndBirthDate(Problem):
    """Your school has referred pupils of the same name and date of birth, and no number tells them apart."""

    status, code, title = 409, "same_name_and_birth_date", "Same name and date of birth"
    cause = (
        "Other pupils of your school have the same name and date of birth. This one or the other has neither a UPN nor"
        " an NHS number. `referrals` names the earliest referral of each such pupil."
    )
    remedy = (
        "If it is one of them, send that referral's code as `same_as`. Send the codes of all others in"
        " `not_the_same_as`. Or send a number of each."
    )
    carries = (
        Member("referral", str, "the code of the first of `referrals`."),
        Member("referrals", list[str], "the code of the earliest referral of each such pupil."),
    )

    def __init__(self, known: Sequence[Known]) -> None:
        self.known = known
        codes = [each.referral.code for each in known]
        is_about = "referral {} is" if len(codes) == 1 else "referrals {} are"
        super().__init__(
            f"Your {is_about.format(_listed(codes))} about a pupil of the same name and date of birth. Say with"
            " `same_as` and `not_the_same_as` whether it is this one.",
            extra={"referral": codes[0], "referrals": codes},
        )


class Contradiction(Invalid):
    """The request has field errors; `errors` lists every one."""

    def __init__(self, known: Sequence[Known], errors: tuple[FieldError, ...]) -> None:
        self.known = known
        super().__init__(errors=errors)


def contradicts(others: Sequence[Known]) -> str:
    """Say what a value contradicts, and how all values are corrected."""
    codes = [each.referral.code for each in others]
    which = "referral {}, which is" if len(codes) == 1 else "referrals {}, which are"
    return (
        f"This contradicts your {which.format(_listed(codes))} about the same pupil by a number or `same_as`. Correct"
        " what is wrong with `PATCH`: this referral, another, or all of a pupil's at once with"
        " `for_all_referrals_of_the_pupil`."
    )


def is_one(others: Sequence[Known]) -> str:
    """Say that `not_the_same_as` contradicts what joins referrals."""
    codes = _listed([each.referral.code for each in others])
    return (
        f"By a number or `same_as`, this and {codes} are about one pupil, and `not_the_same_as` says otherwise. Correct"
        " whichever is wrong."
    )


def temporary_after_permanent() -> FieldError:
    """Return the error of a temporary UPN that would take the place of a permanent one."""
    return FieldError(
        "/pupil/upn",
        "contradicts_earlier",
        "The pupil has a permanent UPN, which a temporary one does not replace. If the permanent one is wrong, send"
        " null first.",
    )


def _listed(codes: Sequence[str]) -> str:
    *first, last = codes
    return f"{', '.join(first)} and {last}" if first else last
